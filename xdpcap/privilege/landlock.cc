// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/landlock.h"

#include <fmt/core.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/text.h"
#include "base/unique_fd.h"

namespace xdpcap {
namespace {

/// struct landlock_ruleset_attr of Linux 6.12.  Older kernels take it as well, if what they do not know is zero.
struct Ruleset {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;
  std::uint64_t scoped;
};

// Later than the header may be.
constexpr std::uint64_t kTruncate = LANDLOCK_ACCESS_FS_REFER << 1U;
constexpr std::uint64_t kDeviceControl = LANDLOCK_ACCESS_FS_REFER << 2U;

/// What is refused unless a rule allows it: everything that this version of Landlock knows.
Ruleset everything(long version) {
  constexpr std::uint64_t kFirst = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1;
  constexpr std::uint64_t kRefer = LANDLOCK_ACCESS_FS_REFER;
  constexpr std::uint64_t kBindAndConnectTcp = 3;
  constexpr std::uint64_t kAbstractSocketsAndSignals = 3;
  return {.handled_access_fs = kFirst | (version >= 2 ? kRefer : 0) |
                               (version >= 3 ? kTruncate : 0) | (version >= 5 ? kDeviceControl : 0),
          .handled_access_net = version >= 4 ? kBindAndConnectTcp : 0,
          .scoped = version >= 6 ? kAbstractSocketsAndSignals : 0};
}

std::uint64_t bits_of(PathRight right) {
  switch (right) {
    case PathRight::ReadFiles: return LANDLOCK_ACCESS_FS_READ_FILE;
    case PathRight::ReplaceFiles:
      return LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
             LANDLOCK_ACCESS_FS_REMOVE_FILE | kTruncate;
    case PathRight::Pin:
      return LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
             LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |
             LANDLOCK_ACCESS_FS_READ_DIR;
  }
  return 0;
}

std::unexpected<Error> failure(std::string_view attempt) {
  const int error = errno;
  return fail(Errc::Kernel,
              fmt::format("restrict the files that this process can reach (Landlock): {}: {}",
                          attempt, errno_text(error)),
              error);
}

}  // namespace

Result<bool> restrict_paths(std::span<const AllowedPath> allowed) {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 0) {
    return false;  // not built, not switched on, or not known to the seccomp filter of a container
  }
  const Ruleset handled = everything(version);
  const UniqueFd rules(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0)));
  if (!rules.is_open()) {
    return failure("make a set of rules");
  }
  for (const AllowedPath& path : allowed) {
    const landlock_path_beneath_attr rule{
        .allowed_access = bits_of(path.right) & handled.handled_access_fs, .parent_fd = path.fd};
    if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
      return failure("add a rule");
    }
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return failure("give up gaining privileges");
  }
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    return failure("put the rules into force");
  }
  return true;
}

}  // namespace xdpcap
