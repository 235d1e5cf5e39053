// SPDX-License-Identifier: BSD-3-Clause
//
// Questions about values, in the simplest form there is.
//
// A comparison of something computed becomes one of what it was computed from:
//
//     (p8[14] >> 4) == 4               p8[14] in 0x40..0x4f
//     (p32[26] & 0xffffff00) == ...    p32[26] in an interval
//     (p16[20] & 0x1fff) == 0          any bit of 0x1fff in p16[20], arms swapped
//     p16[12] + 1 == 5                 p16[12] == 4
//     length > 511                     are there 512 bytes?
//
// so that questions about one thing meet, whatever way they were asked.  A question with only one answer
// is none: its arm is returned.
//
// Tested by: question_test.cc.

#pragma once

#include <cbpfc/compile.h>

#include "cbpfc/graph/graph.h"

namespace cbpfc::optimizer {

/// As far as a load reaches from a pointer: its offset is signed, of 16 bits.
inline constexpr std::int64_t kReach = 0x7fff;

/// What a graph may take for granted.
struct PacketRules {
  /// No packet reaches beyond this offset.
  std::uint32_t max_packet_offset = 0xffff;
  /// The length a filter sees is that of the bytes it sees.
  bool length_is_bytes = true;
  /// Registers that values can be computed in, and those that a load takes: at a fixed offset, relative to a value.
  std::uint32_t registers = 4;
  std::uint32_t load_registers = 1;
  std::uint32_t indexed_load_registers = 3;
  /// Fields of eight bytes can be loaded at once.
  bool has_wide_loads = true;
};
PacketRules rules_for(const EbpfOptions& options);

/// The node that asks whether `value` is in [low, high].
NodeId ask_interval(Graph& graph, const PacketRules& rules, ValueId value, std::uint32_t low,
                    std::uint32_t high, NodeId if_true, NodeId if_false);

/// The node that asks whether `condition` holds.
NodeId ask(Graph& graph, const PacketRules& rules, Condition condition, ValueId left, ValueId right,
           NodeId if_true, NodeId if_false);

/// The node that asks whether the bytes [begin, end) relative to `index` are there; see Fits.
NodeId ask_fits(Graph& graph, const PacketRules& rules, std::optional<ValueId> index,
                std::int64_t begin, std::int64_t end, NodeId if_inside, NodeId if_outside);

}  // namespace cbpfc::optimizer
