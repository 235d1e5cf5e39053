// SPDX-License-Identifier: BSD-3-Clause
//
// Which values are kept as they lie in the packet.
//
// A load on a little-endian machine gives a field's bytes the wrong way round, and one more instruction turns
// them.  Comparing for equality, and testing and masking bits, works as well on bytes the wrong way round with
// a constant the wrong way round:
//
//     p16[12] == 0x800     r4 = *(u16 *)(r2 + 12); if w4 == 0x8
//
// A value is kept raw when nothing asks for more than that: no order, no arithmetic, no address, and it is not
// returned; a cell, when all that is put into it is.
//
// Tested by: emit_graph_test.cc.

#pragma once

#include <vector>

#include "cbpfc/graph/graph.h"

namespace cbpfc::optimizer {

class ByteOrder {
 public:
  /// `may_be_raw` false: all values are numbers.
  ByteOrder(const Graph& graph, const std::vector<NodeId>& order, bool may_be_raw = true);

  /// Whether `value` is kept with its bytes as in the packet.
  bool is_raw(ValueId value) const { return raw_bytes_[value] != 0; }

  /// The number that a register holds when `value` is k.
  std::uint32_t number(ValueId value, std::uint32_t k) const;

 private:
  bool settle_cells(const Values& values, const std::vector<SetPhi>& sets,
                    std::vector<bool>& wants_number) const;

  std::vector<std::uint32_t> largest_;   ///< by value: the largest number a Switch compares it with
  std::vector<std::uint8_t> raw_bytes_;  ///< by value: bytes that are turned, 0 for host order
};

}  // namespace cbpfc::optimizer
