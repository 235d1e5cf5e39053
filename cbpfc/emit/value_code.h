// SPDX-License-Identifier: BSD-3-Clause
//
// Code that brings values into registers.
//
//     p16[12]                   r4 = *(u16 *)(r2 + 12)
//     ((p8[14] & 0xf) << 2)     r5 = *(u8 *)(r2 + 14); w5 &= 15; w5 <<= 2
//     pointer to p[that + ..]   r5 += r2
//
// A value that lies in a register is not computed again (registers.h).  What is computed takes over the
// register of an operand that is not wanted afterwards.
//
// A load is emitted only where the machine state says that the verifier has been shown its bytes; a pointer
// that had to make way is made and shown again.
//
// Registers suffice, since the graph has no value that takes more (lift.cc).
//
// Facts about the verifier behind the instruction sequences: docs/compiler.md.
// Tested by: emit_graph_test.cc, and by every engine in verify/differential.

#pragma once

#include <cbpfc/compile.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cbpfc/graph/byte_order.h"
#include "cbpfc/graph/registers.h"

namespace cbpfc::optimizer {

class ValueCode {
 public:
  ValueCode(const Graph& graph, const EbpfOptions& options, const Uses& uses,
            const ByteOrder& byte_order, CellSlots slots);

  ebpf::Assembly code;
  MachineState state;
  std::size_t position = 0;  ///< of the node that is being emitted
  std::string never_label;   ///< where a check leads that cannot fail

  /// Whether registers did not suffice, which is a mistake of ours.
  bool gave_up() const { return gave_up_; }
  bool used_never_label() const { return used_never_label_; }

  /// A register that holds `value`, in the byte order that ByteOrder says.
  ebpf::Reg value(ValueId value);
  /// A register that holds nothing, for use until the next call.
  ebpf::Reg allocate();
  /// Forbids to reuse `reg` until unpin_all().
  void pin(ebpf::Reg reg) { pinned_ |= 1U << static_cast<unsigned>(reg); }
  void unpin_all() { pinned_ = 0; }

  /// Jumps to `outside` unless the packet has [0, end).  Returns the state there.
  MachineState guard(std::uint32_t end, const std::string& outside);
  /// Makes a pointer from which [begin, end) relative to index can be read, or jumps to `outside`.
  /// Returns the state there.
  MachineState guard_index(ValueId index, std::int64_t begin, std::int64_t end,
                           const std::string& outside);
  /// Whether a node from `from` on wants what `held` is.
  bool is_wanted(const Held& held, std::size_t from) const {
    return uses_.next(held, from) != Uses::kNever;
  }
  /// Whether reload() can compute `value` there: from a fixed place of the packet, by constants.
  bool can_reload(ValueId value, const MachineState& there) const;
  /// Computes `value` again, in `reg`, from bytes that were shown to be there.
  void reload(ebpf::Reg reg, ValueId value);
  /// Puts `value` into the cell `phi`: a register, and its slot.
  void set_phi(ValueId phi, ValueId value);
  /// The same for what `helper` returns.
  void set_phi_from_call(ValueId phi, std::int32_t helper);
  /// Takes out the stores to cells that turned out to stay in registers.  Returns how many slots are used.
  std::uint32_t remove_unread_stores();

 private:
  struct Store {
    std::size_t insn;
    std::uint32_t cell;
  };
  struct Address {
    ebpf::Reg base;
    std::int16_t offset;
  };

  PacketAccess access() const { return options_.access; }
  Held& held(ebpf::Reg reg) { return state.held[static_cast<std::size_t>(reg)]; }
  const Held& held(ebpf::Reg reg) const { return state.held[static_cast<std::size_t>(reg)]; }
  /// The first register of which `is_it` holds.
  template <typename F>
  std::optional<ebpf::Reg> find(F&& is_it) const {
    const auto place = std::ranges::find_if(pool_, [&](ebpf::Reg reg) { return is_it(held(reg)); });
    return place != pool_.end() ? std::optional(*place) : std::nullopt;
  }
  std::optional<ebpf::Reg> find_value(ValueId value) const;
  std::optional<ebpf::Reg> find_pointer(ValueId index, std::int64_t begin, std::int64_t end) const;
  bool is_pinned(ebpf::Reg reg) const;
  ebpf::Reg allocate_for(ValueId value);
  std::optional<ebpf::Reg> find_free() const;
  std::optional<ebpf::Reg> last_free() const;
  ebpf::Reg give_up();
  void call(std::int32_t helper);
  void store_cell(ValueId phi, ebpf::Reg reg);
  void forget_cell(ValueId phi);
  ebpf::Reg compute(ValueId value);
  ebpf::Reg compute_load(ValueId id, const PacketLoad& load);
  void probe(std::uint32_t size_bytes, std::optional<ValueId> index, std::uint32_t offset);
  void load_bytes_of_stack(ebpf::Reg dst, const Address& from, std::uint32_t size_bytes);
  void add_byte_swap(ebpf::Reg reg, ValueId id, const PacketLoad& load);
  ebpf::Reg compute_length(ValueId id);
  ebpf::Reg compute_arithmetic(ValueId id, const Arithmetic& arithmetic);
  ebpf::Reg own(ValueId value);
  Address address(std::uint32_t size_bytes, std::optional<ValueId> index, std::uint32_t offset);
  ebpf::Reg small_pointer(ValueId index);
  ebpf::Reg any_pointer(ValueId index, std::int64_t begin, std::int64_t end,
                        const std::string& outside);
  void add_numbers(ebpf::Reg dst, ebpf::Reg from, std::int64_t k);
  void leave_if_not_in_buffer(ebpf::Reg offset, std::int64_t end, ebpf::Reg tmp,
                              const std::string& outside);
  void load_unknown_zero(ebpf::Reg dst);
  std::uint32_t verifier_max(ValueId value, int depth = 8) const;
  std::int16_t slot_offset(std::uint32_t cell) const;

  const Graph& graph_;
  const EbpfOptions& options_;
  const Uses& uses_;
  const ByteOrder& byte_order_;
  Efforts efforts_;
  CellSlots slots_;
  bool hides_constants_;  ///< that cells are set to, from the verifier
  std::uint32_t max_packet_offset_;
  std::vector<ebpf::Reg> pool_;
  std::vector<std::optional<ebpf::Reg>> homes_;  ///< by value: the register it was computed in last
  std::vector<bool> is_cell_read_;               ///< by cell: from its slot
  std::vector<Store> stores_;                    ///< to slots, in the order of the code
  std::uint32_t pinned_ = 0;
  bool gave_up_ = false;
  bool used_never_label_ = false;
};

}  // namespace cbpfc::optimizer
