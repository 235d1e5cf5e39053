// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/secure_start.h"

#include <fmt/core.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "xdpcap/privilege/capability_sets.h"

namespace xdpcap {

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
