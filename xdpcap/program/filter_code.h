// SPDX-License-Identifier: BSD-3-Clause
//
// The filter inside a capture program, on packets of one buffer and of several.
//
// A fragment reads data .. data_end, which of a packet in several buffers (XDP fragments, Linux 5.18) is only the
// first.  A load beyond ends a filter with "no match", so what it says there is right when it matches, and when all
// it read lay in the first buffer.  Hence:
//
//     fragment over data .. data_end                          match ──► record
//     no match: is the packet longer than data_end - data?    no ─────► return
//     copy the packet into this CPU's buffer
//     fragment over the buffer                                match ──► record, else return
//
// A packet of one buffer pays for the question when it does not match, a helper call and two instructions; one that
// matches pays nothing.  A packet of several is copied only if its first buffer did not settle it.  Where the hook's
// owner takes no packets of several buffers, none of this is there.
//
// Ancillary loads are answered from the Ethernet frame and the context, in both fragments alike.  Who gives a filter has
// checked that it asks nothing else, and nothing of a frame where packets are none (xdpcap/command/xdpcap_start.h).
//
// Cost: a helper call for a packet of one buffer that does not match; for one of several that is copied, its bytes.
// Limits: bytes behind the first 65,535 are in no buffer: loads there do not match.
// Source: Linux v6.18 net/core/filter.c bpf_xdp_get_buff_len(), bpf_xdp_load_bytes().
// Tested by: xdpcap/tests/kernel/hook/filter_code_test.cc, xdpcap/tests/kernel/end_to_end/jumbo_test.cc.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/ebpf.h>
#include <cbpfc/result.h>

#include <cstdint>
#include <string>

namespace xdpcap {

/// Bytes of the buffers that hold a packet in one piece: all that a record can have of it.
inline constexpr std::uint32_t kWholePacketBytes = 65536;

struct FilterCodeSpec {
  /// Array of kWholePacketBytes by CPU; -1: no packet has several buffers.  A CPU that is not in it has no ring either: whether a
  /// packet there would match is not known, and it is taken to match, and then to be lost, rather than to go unmentioned.
  int whole_packets_fd = -1;
  cbpfc::ebpf::Reg context = cbpfc::ebpf::Reg::R6;
  cbpfc::ebpf::Reg length = cbpfc::ebpf::Reg::R8;  ///< to overwrite, as R0 to R5
  cbpfc::ebpf::Reg spare = cbpfc::ebpf::Reg::R9;   ///< to overwrite
  std::int16_t key_slot = -4;                      ///< on the stack, four bytes to overwrite
  std::int16_t length_slot = -8;                   ///< the same
  bool asks_for_length = true;    ///< of bpf_xdp_get_buff_len(); else it is data_end - data
  std::uint32_t stack_bytes = 0;  ///< below R10 that are not the fragment's
  std::string match_label;
  std::string no_match_label;
};

/// Appends the filter; goes on behind it, or jumps to match_label, where it matches.
/// Errors: those of cbpfc::compile_ebpf().
cbpfc::Result<void> emit_filter(cbpfc::ebpf::Assembly& code, const cbpfc::Filter& filter,
                                const FilterCodeSpec& spec);

/// Appends what packets of several buffers need, out of the way; jumps to one of the labels.
/// Errors: those of cbpfc::compile_ebpf().
cbpfc::Result<void> emit_filter_of_whole_packets(cbpfc::ebpf::Assembly& code,
                                                 const cbpfc::Filter& filter,
                                                 const FilterCodeSpec& spec);

}  // namespace xdpcap
