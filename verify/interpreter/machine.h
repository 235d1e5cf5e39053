// SPDX-License-Identifier: BSD-3-Clause
//
// The state of a classic program between two instructions.  interpret() runs it to the end; tests
// step it and look at what each instruction is about to do.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "verify/interpreter/interpret.h"

namespace cbpfc {

struct Machine {
  std::span<const std::uint8_t> packet;
  std::uint32_t wire_length_bytes = 0;
  AncillaryFacts facts = {};
  bool leaves_out_tag = false;  ///< as ancillary_frame.cc has it; needs an Ethernet header
  std::uint32_t a = 0;
  std::uint32_t x = 0;
  std::array<std::uint32_t, kScratchSlots> scratch = {};
  std::size_t pc = 0;                                     ///< the instruction step() runs next
  std::optional<std::uint32_t> result = std::nullopt;     ///< set when the program has ended
  std::optional<std::string> unsupported = std::nullopt;  ///< set when it cannot go on

  bool ended() const { return result || unsupported; }
  std::uint32_t value(const Operand& operand) const { return operand.is_x ? x : operand.k; }
  bool holds(Condition condition, std::uint32_t right) const;

  /// Runs the instruction at `pc`.  Requires: not ended().
  void step(const Filter& filter);

 private:
  std::uint32_t& reg(Register r) { return r == Register::A ? a : x; }
  std::uint32_t read(std::uint32_t offset, Size size, std::uint32_t missing);
  /// What the program finds at `offset`.
  std::uint32_t load(std::uint32_t offset, Size size) { return read(offset, size, left_out()); }
  /// What the frame has there.
  std::uint32_t frame(std::uint32_t offset, Size size) { return read(offset, size, 0); }
  void alu(AluOp op, std::uint32_t right);
  void load_relative(std::uint32_t offset, Size size);
  void load_header_length(std::uint32_t offset);
  void load_ancillary(std::uint32_t offset);
  std::uint32_t ask_frame(std::uint32_t offset);
  std::uint32_t tag_bytes();
  std::uint32_t left_out() { return leaves_out_tag ? tag_bytes() : 0; }
  std::uint32_t protocol();
  std::uint32_t packet_type();
  std::uint32_t payload_offset();
  std::uint32_t ipv4_payload(std::uint32_t header);
  std::uint32_t ipv6_payload(std::uint32_t header);
  std::uint32_t behind_transport(std::uint32_t header, std::uint32_t protocol);
  void refuse(std::string_view what);
};

/// The value at the end; nullopt for a run that never ends.
/// Errors: those of interpret().
Result<std::optional<std::uint32_t>> run_to_end(Machine machine, const Filter& filter);

}  // namespace cbpfc
