// SPDX-License-Identifier: BSD-3-Clause

#include "privilege/secure_start.h"

#include <fmt/format.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "privilege/capability_sets.h"

namespace xdpcap {
namespace {

Result<void> check(int result, std::string_view attempt) {
  if (result != 0) {
    return fail(
        Errc::Kernel,
        fmt::format("take the rights of who started this: {}: {}", attempt, std::strerror(errno)),
        errno);
  }
  return {};
}

}  // namespace

bool is_secure_start() {
  return ::getauxval(AT_SECURE) != 0;
}

Result<void> take_rights_of_caller(std::span<const Capability> kept) {
  const uid_t uid = ::getuid();
  const gid_t gid = ::getgid();
  TRY(check(::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities"));
  TRY(check(::setresgid(gid, gid, gid), "become its group"));
  TRY(check(::setresuid(uid, uid, uid), "become its user"));
  TRY(check(::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0), "keep no more capabilities"));
  return keep_inheritable_capabilities(kept);
}

}  // namespace xdpcap
