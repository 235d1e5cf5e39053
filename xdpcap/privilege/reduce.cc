// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/reduce.h"

#include <fmt/core.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "xdpcap/privilege/capability_sets.h"

namespace xdpcap {
namespace {

Result<void> set_keeps_capabilities(bool keeps) {
  if (::prctl(PR_SET_KEEPCAPS, keeps ? 1 : 0, 0, 0, 0) != 0) {
    return fail(Errc::Kernel,
                fmt::format("keep capabilities over a change of user: {}", errno_text(errno)),
                errno);
  }
  return {};
}

Result<void> check_kept(const Privileges& left) {
  if (left.user->uid == ::getuid()) {
    return {};
  }
  for (const Capability capability : {Capability::SetUid, Capability::SetGid}) {
    if (std::ranges::find(left.kept, capability) != left.kept.end()) {
      return fail(Errc::InvalidArgument,
                  fmt::format("become user {}: it could go back with {}; do not keep that",
                              left.user->name, name(capability)));
    }
  }
  return {};
}

Result<void> keep_memory_private() {
  constexpr rlimit kNone{.rlim_cur = 0, .rlim_max = 0};
  if (::setrlimit(RLIMIT_CORE, &kNone) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return fail(
        Errc::Kernel,
        fmt::format("keep packets out of core dumps and of debuggers: {}", errno_text(errno)),
        errno);
  }
  return {};
}

}  // namespace

Result<void> reduce(const Privileges& left) {
  if (!left.user) {
    TRY(keep_capabilities(left.kept));
    return keep_memory_private();
  }
  TRY(check_kept(left));
  const uid_t before = ::getuid();
  TRY(empty_bounding_set());
  TRY(set_keeps_capabilities(true));
  TRY(change_to(*left.user));
  TRY(set_keeps_capabilities(false));
  TRY(keep_capabilities(left.kept));
  TRY(check_no_way_back(*left.user, before));
  // Last: with the user, the kernel sets "dumpable" to what fs.suid_dumpable says.
  return keep_memory_private();
}

Result<void> check_start(std::span<const Capability> kept) {
  if (::getuid() != ::geteuid() || ::getgid() != ::getegid()) {
    return fail(
        Errc::Permission,
        fmt::format(
            "start as user {} and group {} for user {} and group {}: a set-user-ID or set-group-ID xdpcap "
            "would open the files that its options name with rights that its user does not have; use "
            "sudo, or give the program capabilities instead: chmod ug-s, then setcap "
            "cap_bpf,cap_net_admin,cap_perfmon+ep",
            ::geteuid(), ::getegid(), ::getuid(), ::getgid()));
  }
  return ::getauxval(AT_SECURE) == 0 ? Result<void>{} : keep_capabilities(kept);
}

}  // namespace xdpcap
