// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/capability_sets.h"

#include <fmt/core.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/text.h"

namespace xdpcap {
namespace {

// The kernel's form of the sets: the lower halves of the three, then the upper.
using KernelSets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;
constexpr unsigned kHalfBits = 32;

__user_cap_header_struct this_thread() {
  return {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
}

std::unexpected<Error> failure(std::string_view attempt, int error) {
  return fail(Errc::Kernel,
              fmt::format("give capabilities away: {}: {}", attempt, errno_text(error)), error);
}

std::uint64_t bits_of(std::span<const Capability> capabilities) {
  std::uint64_t bits = 0;
  for (const Capability capability : capabilities) {
    bits |= std::uint64_t{1} << static_cast<unsigned>(capability);
  }
  return bits;
}

Result<void> set(const CapabilitySets& sets) {
  KernelSets halves{};
  for (unsigned i = 0; i < halves.size(); ++i) {
    const auto half = [shift = i * kHalfBits](std::uint64_t bits) {
      return static_cast<std::uint32_t>(bits >> shift);
    };
    halves[i] = {.effective = half(sets.effective),
                 .permitted = half(sets.permitted),
                 .inheritable = half(sets.inheritable)};
  }
  __user_cap_header_struct header = this_thread();
  if (::syscall(SYS_capset, &header, halves.data()) != 0) {
    return failure("change the sets", errno);
  }
  return {};
}

}  // namespace

Result<CapabilitySets> capability_sets() {
  KernelSets halves{};
  __user_cap_header_struct header = this_thread();
  if (::syscall(SYS_capget, &header, halves.data()) != 0) {
    return failure("read the sets", errno);
  }
  CapabilitySets sets;
  for (unsigned i = 0; i < halves.size(); ++i) {
    const unsigned shift = i * kHalfBits;
    sets.effective |= std::uint64_t{halves[i].effective} << shift;
    sets.permitted |= std::uint64_t{halves[i].permitted} << shift;
    sets.inheritable |= std::uint64_t{halves[i].inheritable} << shift;
  }
  return sets;
}

Result<void> empty_bounding_set() {
  // EINVAL: beyond the last capability of this kernel.
  for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
       ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) {
      return failure("empty the bounding set", errno);
    }
  }
  return {};
}

Result<void> keep_capabilities(std::span<const Capability> kept) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return failure("give up gaining new ones", errno);
  }
  TRY(empty_bounding_set());
  // What is not inheritable cannot be ambient: the kernel empties that set with the other.
  const std::uint64_t left = TRY(capability_sets()).permitted & bits_of(kept);
  const CapabilitySets wanted{.effective = left, .permitted = left, .inheritable = 0};
  TRY(set(wanted));
  if (TRY(capability_sets()) != wanted) {
    return fail(Errc::Kernel, "give capabilities away: the kernel agreed, but did not do it");
  }
  return {};
}

}  // namespace xdpcap
