// SPDX-License-Identifier: BSD-3-Clause
//
// What a caller may ask of an eBPF fragment.

#pragma once

#include <cbpfc/compile.h>

namespace cbpfc {

/// Bytes of stack an eBPF program has.  Source: Linux v6.18 include/linux/filter.h MAX_BPF_STACK.
inline constexpr std::uint32_t kStackBytes = 512;

/// How far below R10 the cells of a fragment begin: below the eight bytes, aligned, that probe reads are made into.
constexpr std::uint32_t cells_offset_bytes(const EbpfOptions& options) {
  return options.access == PacketAccess::Probe ? (options.stack_offset_bytes + 7) / 8 * 8 + 8
                                               : options.stack_offset_bytes;
}

/// Where probe reads are made into, from R10.
constexpr std::int16_t probe_offset(const EbpfOptions& options) {
  return static_cast<std::int16_t>(-static_cast<int>(cells_offset_bytes(options)));
}

/// The largest end a load can have that may lie inside a packet.
std::uint32_t max_packet_offset(const EbpfOptions& options);

/// Checks that options are legal by themselves, whatever the filter.
/// Errors: Errc::InvalidArgument, with the option.
Result<void> check_options(const EbpfOptions& options);

/// The error of an option that is not legal.
std::unexpected<Error> invalid_option(std::string_view option, std::string_view why);

}  // namespace cbpfc
