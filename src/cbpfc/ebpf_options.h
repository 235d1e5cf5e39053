// SPDX-License-Identifier: BSD-3-Clause
//
// What a caller may ask of an eBPF fragment.

#pragma once

#include <cbpfc/compile.h>

namespace cbpfc {

/// Bytes of stack the scratch slots take, from stack_offset_bytes on.
inline constexpr std::uint32_t kScratchBytes = 4 * kScratchSlots;
/// Bytes below them that a probe read is made into.
inline constexpr std::uint32_t kProbeBytes = 8;

/// Where those are, from R10.
constexpr std::int16_t probe_slot_offset(const EbpfOptions& options) {
  return static_cast<std::int16_t>(
      -static_cast<int>(options.stack_offset_bytes + kScratchBytes + kProbeBytes));
}

/// Bytes of the counter of a loop, aligned, below all that.
inline constexpr std::uint32_t kCounterBytes = 8;

/// Where it is, from R10.
constexpr std::int16_t loop_counter_offset(const EbpfOptions& options) {
  const std::uint32_t used = options.stack_offset_bytes + kScratchBytes +
                             (options.access == PacketAccess::Probe ? kProbeBytes : 0);
  return static_cast<std::int16_t>(-static_cast<int>(
      (used + kCounterBytes - 1) / kCounterBytes * kCounterBytes + kCounterBytes));
}

/// Checks that a filter with loops has room for their counter.
/// Errors: Errc::InvalidArgument.
Result<void> check_counter_room(const EbpfOptions& options);

/// Checks that options are legal by themselves, whatever the filter.
/// Errors: Errc::InvalidArgument, with the option.
Result<void> check_options(const EbpfOptions& options);

/// The error of an option that is not legal.
std::unexpected<Error> invalid_option(std::string_view option, std::string_view why);

}  // namespace cbpfc
