// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace xdpcap {

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

}  // namespace xdpcap
