// SPDX-License-Identifier: BSD-3-Clause
//
// A packet about which nothing is known but its greatest length.
//
// A byte at a constant offset is a variable.  A byte at a computed offset is a variable too, one for
// each (computed part, constant added to it):
//
//     p[12]                    p12
//     p[x + 14], p[x + 16]     q0+14, q0+16       where x is computed part number 0
//
// That two variables are the same byte when their offsets are equal is not told to the solver at first:
// two programs that load the same bytes share the variables, and it is rarely needed.  When the
// solver finds a packet that contradicts itself, the solver is told that much (contradictions()) and
// asked again.  So there is no theory of arrays, and most proofs are over plain bits.
//
// Offsets are taken modulo 65,536; whether they are inside the packet is another question
// (contains()), and a load outside does not happen.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "verify/prove/terms.h"

namespace cbpfc::prove {

/// Facts outside of the packet's bytes that both programs may read.
struct Environment {
  z3::expr ingress_ifindex;
  z3::expr rx_queue_index;
  z3::expr processor_id;
  z3::expr random;
};

class SymbolicPacket {
 public:
  /// `has_wire_length`: the length on the wire is a number of its own, no smaller than the packet.
  SymbolicPacket(Terms& terms, std::uint32_t max_bytes, bool has_wire_length);

  const z3::expr& length64() const { return length64_; }
  const z3::expr& wire_length32() const { return wire_length32_; }
  const Environment& environment() const { return environment_; }

  /// Whether `bytes` bytes at the 64-bit offset are inside.
  z3::expr contains(const z3::expr& offset64, unsigned bytes);

  /// `bytes` bytes at a 64-bit offset, first byte lowest (as a machine loads them) or highest.
  z3::expr load_little(const z3::expr& offset64, unsigned bytes);
  z3::expr load_big(const z3::expr& offset64, unsigned bytes);

  /// What holds of every packet.
  const std::vector<z3::expr>& facts() const { return facts_; }

  /// What `model` gets wrong about bytes at equal offsets: empty when it is a packet.
  std::vector<z3::expr> contradictions(const z3::model& model);

  /// The packet of a model without contradictions.
  std::vector<std::uint8_t> bytes(const z3::model& model);
  std::uint32_t wire_length(const z3::model& model);

 private:
  struct Byte {
    z3::expr variable;
    z3::expr offset16;
  };
  z3::expr byte(const z3::expr& offset16, unsigned depth);
  z3::expr byte_variable(const z3::expr& base16, std::uint16_t added);

  Terms& terms_;
  z3::expr length16_;
  z3::expr length64_;
  z3::expr wire_length32_;
  Environment environment_;
  std::vector<z3::expr> facts_;
  std::vector<Byte> bytes_;
  std::map<std::pair<unsigned, std::uint16_t>, std::size_t> numbers_;  ///< (base, added) -> bytes_
  std::map<unsigned, std::size_t> bases_;                              ///< term id -> its number
  std::vector<z3::expr> kept_;  ///< the bases, so that their ids are not used again
};

}  // namespace cbpfc::prove
