// SPDX-License-Identifier: BSD-3-Clause
//
// One path of eBPF: executes instructions that do not jump, and notes what they must not do.

#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "verify/prove/ending.h"
#include "verify/prove/packet.h"
#include "verify/prove/prove.h"
#include "verify/prove/value.h"

namespace cbpfc::prove {

struct MachineState {
  std::array<Value, 11> registers;
  SymbolicStack stack;
};

class SymbolicMachine {
 public:
  SymbolicMachine(Terms& terms, SymbolicPacket& packet, const Claim& claim);

  /// The state the caller leaves.
  MachineState entry() const;

  /// Goes on from `state`, which is reached when `path` holds.
  void resume(MachineState state, z3::expr path) {
    state_ = std::move(state);
    path_ = std::move(path);
    stopped_ = false;
  }

  const MachineState& state() const { return state_; }
  const z3::expr& path() const { return path_; }
  /// Whether what was executed last cannot go on for any packet.
  bool stopped() const { return stopped_; }
  const std::optional<Error>& error() const { return error_; }
  std::vector<Violation>& violations() { return violations_; }

  /// The instruction that violations are charged to from here on.
  void at(std::size_t insn) { at_ = insn; }

  /// Executes an instruction that does not jump.  `next`: the one behind it, if there is one.
  void step(const ebpf::Insn& insn, const ebpf::Insn* next, std::size_t at);

  /// The condition of a conditional jump.
  z3::expr jump_condition(const ebpf::Insn& insn, std::size_t at);

  /// The number a register holds, where the fragment ends.
  z3::expr number_in(std::size_t reg, std::size_t at);

  /// The path goes wrong.
  void violate(std::string what);

 private:
  /// The path does what only the caller can object to.
  void trespass(std::string what);
  void violate_unless(const z3::expr& condition, std::string what);
  void refuse_unsupported(std::string what);
  Value read(std::size_t reg);
  void write(std::size_t reg, Value value);
  void check_writable(std::size_t reg);
  Value source(const ebpf::Insn& insn);

  void load_immediate(const ebpf::Insn& insn, const ebpf::Insn* next);
  void load(const ebpf::Insn& insn);
  Value load_packet(const z3::expr& offset64, unsigned bytes);
  Value load_stack(std::int64_t at, unsigned bytes);
  Value load_context(std::int64_t at, unsigned bytes);
  void store(const ebpf::Insn& insn);
  void store_stack(std::int64_t at, unsigned bytes, const Value& value);
  bool on_stack(std::int64_t at, unsigned bytes);
  void arithmetic(const ebpf::Insn& insn);
  Value pointer_arithmetic(const ebpf::Insn& insn, const Value& left, const Value& right);
  Value move_pointer(const Value& pointer, const z3::expr& by);
  void call(const ebpf::Insn& insn);
  void probe_read();

  Terms& terms_;
  SymbolicPacket& packet_;
  const Claim& claim_;
  MachineState state_;
  z3::expr path_;
  std::size_t at_ = 0;
  bool stopped_ = false;
  std::vector<Violation> violations_;
  std::optional<Error> error_;
};

}  // namespace cbpfc::prove
