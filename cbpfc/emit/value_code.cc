// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/emit/value_code.h"

#include <algorithm>
#include <utility>

#include "base/overloaded.h"
#include "cbpfc/graph/ebpf_options.h"

namespace cbpfc::optimizer {
namespace {

using ebpf::Reg;
using ebpf::Width;

/// With more cells than these, constants that cells are set to are hidden from the verifier.  Where paths meet with
/// different ones, it walks on from there once for each, and once for each sum of them: n branches that may add
/// something make 2^n sums, and it gives up after a million instructions.
/// Source: Linux v6.18 kernel/bpf/verifier.c adjust_ptr_min_max_vals(), BPF_COMPLEXITY_LIMIT_INSNS.
constexpr std::uint32_t kMostCellsSeen = 8;

/// Source: Linux v6.18 include/uapi/linux/bpf.h; the helper is there since 5.5.
constexpr std::int32_t kProbeReadKernel = 113;

bool survives_calls(Reg reg) {
  return reg >= Reg::R6;
}

Width width_of(Size size) {
  switch (size) {
    case Size::Byte: return Width::Byte;
    case Size::Half: return Width::Half;
    case Size::Word: return Width::Word;
  }
  std::unreachable();
}

ebpf::Alu alu_op(AluOp op) {
  switch (op) {
    case AluOp::Add: return ebpf::Alu::Add;
    case AluOp::Sub: return ebpf::Alu::Sub;
    case AluOp::Mul: return ebpf::Alu::Mul;
    case AluOp::Div: return ebpf::Alu::Div;
    case AluOp::Or: return ebpf::Alu::Or;
    case AluOp::And: return ebpf::Alu::And;
    case AluOp::Lsh: return ebpf::Alu::Lsh;
    case AluOp::Rsh: return ebpf::Alu::Rsh;
    case AluOp::Mod: return ebpf::Alu::Mod;
    case AluOp::Xor: return ebpf::Alu::Xor;
  }
  std::unreachable();
}

}  // namespace

ValueCode::ValueCode(const Graph& graph, const EbpfOptions& options, const Uses& uses,
                     const ByteOrder& byte_order, CellSlots slots)
    : graph_(graph),
      options_(options),
      uses_(uses),
      byte_order_(byte_order),
      efforts_(graph.values, rules_for(options)),
      slots_(std::move(slots)),
      hides_constants_(graph.values.phis() > kMostCellsSeen),
      max_packet_offset_(max_packet_offset(options)),
      pool_(options.working.begin(), options.working.end()),
      homes_(graph.values.size()),
      is_cell_read_(graph.values.phis(), false) {
  pool_.insert(pool_.end(), options.spare.begin(), options.spare.end());
  if (options.access == PacketAccess::Probe) {
    std::erase_if(pool_, [](Reg reg) { return !survives_calls(reg); });
  }
}

Reg ValueCode::give_up() {
  gave_up_ = true;
  return pool_.front();
}

std::optional<Reg> ValueCode::find_value(ValueId value) const {
  return find([&](const Held& it) { return it.is_value(value); });
}

/// A pointer that the verifier lets read [begin, end) relative to `index`.
std::optional<Reg> ValueCode::find_pointer(ValueId index, std::int64_t begin,
                                           std::int64_t end) const {
  return find(
      [&](const Held& it) { return it.is_pointer(index) && it.begin <= begin && end <= it.end; });
}

bool ValueCode::is_pinned(Reg reg) const {
  return (pinned_ >> static_cast<unsigned>(reg) & 1) != 0;
}

/// A register to fill with `value`: the one it was in before, so that it is there wherever paths meet; if that
/// is not free, any.
Reg ValueCode::allocate_for(ValueId value) {
  if (const auto home = homes_[value]) {
    if (!is_pinned(*home) && uses_.next(held(*home), position) == Uses::kNever) {
      held(*home) = Held{};
      return *home;
    }
  }
  return allocate();
}

/// A register that may be filled: a free one, else the one whose content is wanted last.
std::optional<Reg> ValueCode::find_free() const {
  std::optional<Reg> best;
  std::size_t best_next = 0;
  for (const Reg reg : pool_) {
    if (is_pinned(reg)) {
      continue;
    }
    const std::size_t next = uses_.next(held(reg), position);
    if (!best || next > best_next) {
      best = reg;
      best_next = next;
    }
  }
  return best;
}

Reg ValueCode::allocate() {
  const std::optional<Reg> reg = find_free();
  if (!reg) {
    return give_up();
  }
  held(*reg) = Held{};
  return *reg;
}

std::optional<Reg> ValueCode::last_free() const {
  const auto place = std::find_if(pool_.rbegin(), pool_.rend(), [&](Reg reg) {
    return uses_.next(held(reg), position) == Uses::kNever;
  });
  return place != pool_.rend() ? std::optional(*place) : std::nullopt;
}

Reg ValueCode::value(ValueId value) {
  if (const auto reg = find_value(value)) {
    return *reg;
  }
  const Reg reg = compute(value);
  held(reg) = Held{.kind = Held::Kind::Number, .value = value};
  homes_[value] = reg;
  return reg;
}

Reg ValueCode::compute(ValueId value) {
  return std::visit(Overloaded{
                        [&](const Constant& v) {
                          const Reg reg = allocate_for(value);
                          code.add(ebpf::mov32(reg, v.value));
                          return reg;
                        },
                        [&](const PacketLoad& v) { return compute_load(value, v); },
                        [&](const PacketLength&) { return compute_length(value); },
                        [&](const Arithmetic& v) { return compute_arithmetic(value, v); },
                        [&](const ContextWord& v) {
                          const Reg reg = allocate_for(value);
                          code.add(ebpf::load(Width::Word, reg, *options_.ancillary.context,
                                              static_cast<std::int16_t>(v.offset)));
                          return reg;
                        },
                        [&](const Phi& v) {
                          const Reg reg = allocate_for(value);
                          is_cell_read_[v.number] = true;
                          code.add(ebpf::load(Width::Word, reg, Reg::R10, slot_offset(v.number)));
                          return reg;
                        },
                    },
                    graph_.values[value]);
}

std::int16_t ValueCode::slot_offset(std::uint32_t cell) const {
  return static_cast<std::int16_t>(-static_cast<int>(cells_offset_bytes(options_)) -
                                   4 * (slots_[cell].value_or(0) + 1));
}

void ValueCode::store_cell(ValueId phi, Reg reg) {
  const std::uint32_t cell = graph_.values.cell(phi);
  stores_.push_back({.insn = code.size(), .cell = cell});
  code.add(ebpf::store(Width::Word, Reg::R10, slot_offset(cell), reg));
}

std::uint32_t ValueCode::remove_unread_stores() {
  std::vector<std::size_t> unread;
  std::uint32_t slots = 0;
  for (const Store& store : stores_) {
    if (is_cell_read_[store.cell]) {
      slots = std::max(slots, slots_[store.cell].value_or(0) + 1U);
    } else {
      unread.push_back(store.insn);
    }
  }
  code.remove(unread);
  return slots;
}

/// A register no longer holds the cell: share_lists() sets one twice on a way.
void ValueCode::forget_cell(ValueId phi) {
  for (const Reg reg : pool_) {
    if (held(reg).is_value(phi)) {
      held(reg) = Held{};
    }
  }
}

/// A cell stays in a register only if all ways leave it in the same one: its home, chosen by the first way emitted.
/// The home is taken from the end of the pool, which is used last.
void ValueCode::set_phi(ValueId phi, ValueId from) {
  forget_cell(phi);
  Reg reg{};
  if (const auto k = graph_.values.known(from); k && hides_constants_) {
    reg = allocate();
    load_unknown_zero(reg);
    code.add(ebpf::alu32(ebpf::Alu::Add, reg, *k));
  } else {
    const std::optional<Reg> wanted = homes_[phi] ? homes_[phi] : last_free();
    for (ValueId part = from; !find_value(part);) {
      homes_[part] = wanted;
      const auto* arithmetic = std::get_if<Arithmetic>(&graph_.values[part]);
      if (arithmetic == nullptr) {
        break;
      }
      part = arithmetic->left;  // is computed in the register of its left side
    }
    reg = value(from);
  }
  store_cell(phi, reg);
  const auto is_free = [&](Reg it) { return uses_.next(held(it), position + 1) == Uses::kNever; };
  const Reg home = homes_[phi].value_or(reg);
  if (home != reg && !is_free(home)) {
    return;
  }
  Held content = held(reg);
  content.kind = Held::Kind::Number;
  content.value = phi;
  if (home != reg) {
    code.add(ebpf::mov32(home, reg));
  }
  held(home) = content;
  homes_[phi] = home;
}

void ValueCode::set_phi_from_call(ValueId phi, std::int32_t helper) {
  call(helper);
  forget_cell(phi);
  const Reg reg = allocate_for(phi);
  code.add(ebpf::mov32(reg, Reg::R0));
  store_cell(phi, reg);
  held(reg) = Held{.kind = Held::Kind::Number, .value = phi};
  homes_[phi] = reg;
}

/// Calls a helper whose arguments are in place.
void ValueCode::call(std::int32_t helper) {
  code.add(ebpf::call(helper));
  for (const Reg reg : {Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5}) {
    held(reg) = Held{};
  }
}

Reg ValueCode::compute_load(ValueId id, const PacketLoad& load) {
  const auto size_bytes = static_cast<std::uint32_t>(load.size);
  if (options_.buffer_on_stack) {
    const std::uint32_t pinned = pinned_;
    const Address from = address(size_bytes, load.index, load.offset);
    pin(from.base);
    const Reg reg = allocate_for(id);
    pin(reg);
    load_bytes_of_stack(reg, from, size_bytes);
    pinned_ = pinned;
    return reg;
  }
  const Address from = address(size_bytes, load.index, load.offset);
  const Reg reg = allocate_for(id);
  code.add(ebpf::load(width_of(load.size), reg, from.base, from.offset));
  add_byte_swap(reg, id, load);
  return reg;
}

/// The stack takes aligned loads only, so a number is made of its bytes.
void ValueCode::load_bytes_of_stack(Reg dst, const Address& from, std::uint32_t size_bytes) {
  code.add(ebpf::load(Width::Byte, dst, from.base, from.offset));
  for (std::uint32_t i = 1; i < size_bytes; ++i) {
    const Reg byte = allocate();
    code.add(ebpf::alu32(ebpf::Alu::Lsh, dst, 8U));
    code.add(ebpf::load(Width::Byte, byte, from.base,
                        static_cast<std::int16_t>(from.offset + static_cast<int>(i))));
    code.add(ebpf::alu32(ebpf::Alu::Or, dst, byte));
  }
}

/// Reads bytes at a kernel address into the stack.  A read that faults ends with no match.
void ValueCode::probe(std::uint32_t size_bytes, std::optional<ValueId> index,
                      std::uint32_t offset) {
  if (index) {
    add_numbers(Reg::R3, value(*index), offset);
    code.add(ebpf::alu(ebpf::Alu::Add, Reg::R3, options_.packet_start));
  } else {
    code.add(ebpf::mov(Reg::R3, options_.packet_start));
    if (offset != 0) {
      code.add(ebpf::alu(ebpf::Alu::Add, Reg::R3, static_cast<std::int32_t>(offset)));
    }
  }
  code.add(ebpf::mov(Reg::R1, Reg::R10));
  code.add(ebpf::alu(ebpf::Alu::Add, Reg::R1, probe_offset(options_)));
  code.add(ebpf::mov32(Reg::R2, size_bytes));
  call(kProbeReadKernel);
  code.jump_if(ebpf::Cmp::NotEqual, Reg::R0, 0, never_label);
  used_never_label_ = true;
}

/// What follows the load of value `id` into `reg`.
void ValueCode::add_byte_swap(Reg reg, ValueId id, const PacketLoad& load) {
  if (!byte_order_.is_raw(id) && load.size != Size::Byte) {
    code.add(ebpf::from_be(reg, 8 * static_cast<int>(load.size)));
  }
}

bool ValueCode::can_reload(ValueId value, const MachineState& there) const {
  if (access() == PacketAccess::Probe || options_.buffer_on_stack) {
    return false;
  }
  if (const auto* load = std::get_if<PacketLoad>(&graph_.values[value])) {
    return !load->index && load->offset <= kReach &&
           load->offset + static_cast<std::uint32_t>(load->size) <= there.bytes_proven;
  }
  const auto arithmetic = graph_.values.with_constant(value);
  return arithmetic && can_reload(arithmetic->left, there);
}

void ValueCode::reload(Reg reg, ValueId value) {
  if (const auto* load = std::get_if<PacketLoad>(&graph_.values[value])) {
    code.add(ebpf::load(width_of(load->size), reg, options_.packet_start,
                        static_cast<std::int16_t>(load->offset)));
    add_byte_swap(reg, value, *load);
    return;
  }
  const auto arithmetic = *graph_.values.with_constant(value);
  reload(reg, arithmetic.left);
  code.add(ebpf::alu32(alu_op(arithmetic.op), reg, byte_order_.number(value, arithmetic.k)));
}

/// Where to load from; the register in it may be allocated next, for the load's result.
ValueCode::Address ValueCode::address(std::uint32_t size_bytes, std::optional<ValueId> index,
                                      std::uint32_t offset) {
  if (access() == PacketAccess::Probe) {
    probe(size_bytes, index, offset);
    return {.base = Reg::R10, .offset = probe_offset(options_)};
  }
  if (index) {
    const std::int64_t begin = static_cast<std::int32_t>(offset);
    const std::int64_t end = begin + size_bytes;
    auto pointer = find_pointer(*index, begin, end);
    if (!pointer) {
      used_never_label_ = true;
      guard_index(*index, begin, end, never_label);
      pointer = find_pointer(*index, begin, end);
    }
    if (!pointer) {
      return {.base = give_up(), .offset = 0};
    }
    return {
        .base = *pointer,
        .offset = static_cast<std::int16_t>(begin - held(*pointer).base - held(*pointer).shift)};
  }
  if (std::uint64_t{offset} + size_bytes > state.bytes_proven) {
    // That bytes behind an index are there tells that these are, but not the verifier.
    used_never_label_ = true;
    guard(offset + size_bytes, never_label);
  }
  if (offset > kReach) {
    const Reg far = allocate();
    code.add(ebpf::mov(far, options_.packet_start));
    code.add(ebpf::alu(ebpf::Alu::Add, far, static_cast<std::int32_t>(offset)));
    return {.base = far, .offset = 0};
  }
  return {.base = options_.packet_start, .offset = static_cast<std::int16_t>(offset)};
}

Reg ValueCode::compute_length(ValueId id) {
  const Reg reg = allocate_for(id);
  if (options_.packet_length) {
    code.add(ebpf::mov32(reg, *options_.packet_length));
    return reg;
  }
  if (access() != PacketAccess::Direct) {
    add_numbers(reg, options_.packet_end, 0);
    return reg;
  }
  code.add(ebpf::mov(reg, options_.packet_end));
  code.add(ebpf::alu(ebpf::Alu::Sub, reg, options_.packet_start));
  code.add(ebpf::mov32(reg, reg));  // the verifier knows nothing of a difference of pointers
  return reg;
}

/// A register with `value` that may be overwritten: a copy where the value is wanted later, if there is room.
Reg ValueCode::own(ValueId wanted) {
  const Reg from = value(wanted);
  const bool is_wanted = uses_.next_value(wanted, position) != Uses::kNever;
  const bool was_pinned = is_pinned(from);
  if (was_pinned || is_wanted) {
    const std::uint32_t pinned = pinned_;
    pin(from);
    const std::optional<Reg> free = find_free();
    pinned_ = pinned;
    if (free) {
      held(*free) = Held{};
      code.add(ebpf::mov32(*free, from));
      return *free;
    }
    if (was_pinned) {
      return give_up();
    }
  }
  held(from) = Held{};
  return from;
}

Reg ValueCode::compute_arithmetic(ValueId id, const Arithmetic& arithmetic) {
  const std::uint32_t pinned = pinned_;
  const auto right_k = graph_.values.known(arithmetic.right);
  const auto left_k = graph_.values.known(arithmetic.left);
  Reg dst{};
  if (right_k && arithmetic.op == AluOp::Add) {
    const Reg from = value(arithmetic.left);
    const bool was_pinned = is_pinned(from);
    pin(from);
    if (find_free()) {
      dst = allocate_for(id);
      add_numbers(dst, from, *right_k);
    } else if (was_pinned) {
      dst = give_up();
    } else {
      dst = from;
      code.add(ebpf::alu32(ebpf::Alu::Add, dst, *right_k));
    }
  } else if (right_k) {
    dst = own(arithmetic.left);
    code.add(ebpf::alu32(alu_op(arithmetic.op), dst, byte_order_.number(id, *right_k)));
  } else if (left_k == 0 && arithmetic.op == AluOp::Sub) {
    dst = own(arithmetic.right);
    code.add(ebpf::neg32(dst));
  } else {
    Reg right{};
    if (efforts_.of(arithmetic.left).registers > efforts_.of(arithmetic.right).registers) {
      dst = own(arithmetic.left);
      pin(dst);
      right = value(arithmetic.right);
    } else {
      right = value(arithmetic.right);
      pin(right);
      dst = own(arithmetic.left);
    }
    code.add(ebpf::alu32(alu_op(arithmetic.op), dst, right));
  }
  pinned_ = pinned;
  return dst;
}

}  // namespace cbpfc::optimizer
