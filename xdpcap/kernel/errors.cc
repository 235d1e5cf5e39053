// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/errors.h"

#include <fmt/core.h>

#include <cerrno>

namespace xdpcap {
namespace {

Errc code_of(int error_number) {
  switch (error_number) {
    case EPERM:
    case EACCES: return Errc::Permission;
    case ENOENT: return Errc::NotFound;
    case EBUSY: return Errc::Busy;
    case EOPNOTSUPP:
    case ENOSYS: return Errc::Unsupported;
    default: return Errc::Kernel;
  }
}

}  // namespace

std::string describe_errno(int error_number, std::span<const Capability> needed) {
  if (error_number != EPERM && error_number != EACCES) {
    return errno_text(error_number);
  }
  const std::vector<Capability> missing = missing_capabilities(needed, effective_capabilities());
  if (missing.empty()) {
    return fmt::format(
        "{}, although this process has the capabilities for it: a container's user namespace, a "
        "seccomp filter, a security module or kernel lockdown refuses it",
        errno_text(error_number));
  }
  std::string names;
  for (const Capability capability : missing) {
    names += (names.empty() ? "" : " and ") + name(capability);
  }
  return fmt::format("{}: this process lacks {}; run as root, or with {}", errno_text(error_number),
                     names, missing.size() == 1 ? "that capability" : "those capabilities");
}

std::unexpected<Error> kernel_failure(const std::string& attempt, int error_number,
                                      std::span<const Capability> needed) {
  return fail(code_of(error_number),
              fmt::format("{}: {}", attempt, describe_errno(error_number, needed)), error_number);
}

}  // namespace xdpcap
