// SPDX-License-Identifier: BSD-3-Clause
//
// What a packet meets on its way through a filter: every load, and every comparison with what would
// have to be in the packet for it to come out the other way.
//
// Beside the interpreter's A, X and M[] runs an Origin for each, a load and what was done to it since:
//
//     ldh [12]            A comes from the two bytes at 12
//     and #0xff00         ... & 0xff00
//     tax                 X does, too
//     jeq #0x800          Flip: 08 at byte 12 would make it hold

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <vector>

#include "verify/differential/engines/engines.h"
#include "verify/differential/generators/dice.h"

namespace differential {

/// Where a value came from.
struct Origin {
  struct Step {
    cbpfc::AluOp op;
    std::uint32_t right;
  };
  bool is_length = false;
  std::uint32_t offset = 0;
  std::uint32_t size = 0;  ///< bytes
  std::vector<Step> steps = {};
};

/// A comparison that could come out the other way.
struct Flip {
  Origin left = {};
  cbpfc::Condition condition = cbpfc::Condition::Equal;
  std::uint32_t right = 0;
  bool held = false;
};

struct Walk {
  bool matches = false;
  std::vector<Flip> flips;
  std::vector<Origin> loads;      ///< inside the packet, without steps
  std::vector<std::size_t> path;  ///< instructions after which it jumped, with the outcome
};

Walk walk(const cbpfc::Filter& filter, const Packet& packet);

/// Changes `packet` so that the comparison comes out the other way, if that can be had.
void apply(const Flip& flip, Dice& dice, Packet& packet);

/// Writes `value` where `load` reads.
void overwrite(const Origin& load, std::uint32_t value, Packet& packet);

}  // namespace differential
