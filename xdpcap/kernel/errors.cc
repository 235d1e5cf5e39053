// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/errors.h"

#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
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

std::string name(Capability capability) {
  switch (capability) {
    case Capability::DacOverride: return "CAP_DAC_OVERRIDE";
    case Capability::DacReadSearch: return "CAP_DAC_READ_SEARCH";
    case Capability::SetGid: return "CAP_SETGID";
    case Capability::SetUid: return "CAP_SETUID";
    case Capability::NetAdmin: return "CAP_NET_ADMIN";
    case Capability::SysPtrace: return "CAP_SYS_PTRACE";
    case Capability::SysAdmin: return "CAP_SYS_ADMIN";
    case Capability::SysResource: return "CAP_SYS_RESOURCE";
    case Capability::Perfmon: return "CAP_PERFMON";
    case Capability::Bpf: return "CAP_BPF";
  }
  return "an unknown capability";
}

std::vector<Capability> missing_capabilities(std::span<const Capability> needed,
                                             std::uint64_t effective) {
  const auto holds = [effective](Capability capability) {
    return (effective >> static_cast<unsigned>(capability) & 1U) != 0;
  };
  std::vector<Capability> missing;
  if (holds(Capability::SysAdmin)) {
    return missing;
  }
  for (const Capability capability : needed) {
    if (!holds(capability)) {
      missing.push_back(capability);
    }
  }
  return missing;
}

std::uint64_t effective_capabilities() {
  constexpr unsigned kHalfBits = 32;
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> halves{};
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  if (::syscall(SYS_capget, &header, halves.data()) != 0) {
    return ~std::uint64_t{0};
  }
  return std::uint64_t{halves[1].effective} << kHalfBits | halves[0].effective;
}

void silence_libbpf() {
  libbpf_set_print(nullptr);
}

}  // namespace xdpcap
