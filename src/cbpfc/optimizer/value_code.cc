// SPDX-License-Identifier: BSD-3-Clause

#include "value_code.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "../overloaded.h"

namespace cbpfc::optimizer {
namespace {

using ebpf::Reg;
using ebpf::Width;

/// Parts of an expression within each other; deeper ones are left to the plain code.
constexpr int kMostDepth = 60;

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
                     const ByteOrder& byte_order, std::vector<std::uint8_t> phi_slots,
                     std::uint32_t max_packet_offset)
    : graph_(graph),
      options_(options),
      uses_(uses),
      byte_order_(byte_order),
      phi_slots_(std::move(phi_slots)),
      max_packet_offset_(max_packet_offset),
      pool_(options.working.begin(), options.working.end()),
      homes_(graph.values.size()),
      cells_kept_(graph.values.phis(), true),
      cells_read_(graph.values.phis(), false) {
  pool_.insert(pool_.end(), options.spare.begin(), options.spare.end());
}

Reg ValueCode::give_up() {
  gave_up_ = true;
  return pool_.front();
}

std::optional<Reg> ValueCode::find_value(ValueId value) const {
  for (const Reg reg : pool_) {
    if (state.held[static_cast<std::size_t>(reg)].is_value(value)) {
      return reg;
    }
  }
  return std::nullopt;
}

/// A pointer that the verifier lets read [begin, end) relative to `index`.
std::optional<Reg> ValueCode::find_pointer(ValueId index, std::int64_t begin,
                                           std::int64_t end) const {
  for (const Reg reg : pool_) {
    const Held& it = state.held[static_cast<std::size_t>(reg)];
    if (it.is_pointer(index) && it.begin <= begin && end <= it.end) {
      return reg;
    }
  }
  return std::nullopt;
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

/// A register to fill: a free one, else the one whose content is wanted last.
Reg ValueCode::allocate() {
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
  if (!best) {
    return give_up();
  }
  held(*best) = Held{};
  return *best;
}

Reg ValueCode::scratch() {
  return allocate();
}

Reg ValueCode::value(ValueId value) {
  if (const auto reg = find_value(value)) {
    return *reg;
  }
  if (++depth_ > kMostDepth || gave_up_) {
    --depth_;
    return give_up();
  }
  const Reg reg = compute(value);
  --depth_;
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
                        [&](const Phi& v) {
                          const Reg reg = allocate_for(value);
                          cells_read_[v.number] = true;
                          code.add(ebpf::load(Width::Word, reg, Reg::R10, slot_offset(value)));
                          return reg;
                        },
                    },
                    graph_.values[value]);
}

std::int16_t ValueCode::slot_offset(ValueId phi) const {
  const std::uint8_t slot = phi_slots_[std::get<Phi>(graph_.values[phi]).number];
  return static_cast<std::int16_t>(-static_cast<int>(options_.stack_offset_bytes) - 4 * (slot + 1));
}

/// Where all ways to a node have the cell in one register it is not read from its slot; that register is the one
/// that the way emitted first had it in.
void ValueCode::set_phi(ValueId phi, ValueId from) {
  const Reg reg = value(from);
  if (cells_kept_[std::get<Phi>(graph_.values[phi]).number]) {
    code.add(ebpf::store(Width::Word, Reg::R10, slot_offset(phi), reg));
  }
  for (const Reg old : pool_) {
    if (held(old).is_value(phi)) {
      held(old) = Held{};
    }
  }
  const auto is_free = [&](Reg it) { return uses_.next(held(it), position + 1) == Uses::kNever; };
  const Reg home = homes_[phi].value_or(reg);
  if (!is_free(home)) {
    return;
  }
  Held content = held(reg);
  content.value = phi;
  if (home != reg) {
    code.add(ebpf::mov32(home, reg));
  }
  held(home) = content;
  homes_[phi] = home;
}

Reg ValueCode::compute_load(ValueId id, const PacketLoad& load) {
  const Address from = address(static_cast<std::uint32_t>(load.size), load.index, load.offset);
  const Reg reg = allocate_for(id);
  code.add(ebpf::load(width_of(load.size), reg, from.base, from.offset));
  add_byte_swap(reg, id, load);
  return reg;
}

/// What follows the load of value `id` into `reg`.
void ValueCode::add_byte_swap(Reg reg, ValueId id, const PacketLoad& load) {
  if (!byte_order_.is_raw(id) && load.size != Size::Byte) {
    code.add(ebpf::from_be(reg, 8 * static_cast<int>(load.size)));
  }
}

bool ValueCode::can_reload(ValueId value, const MachineState& there) const {
  if (const auto* load = std::get_if<PacketLoad>(&graph_.values[value])) {
    return !load->index && load->offset <= std::numeric_limits<std::int16_t>::max() &&
           load->offset + static_cast<std::uint32_t>(load->size) <= there.bytes_proven;
  }
  const auto* arithmetic = std::get_if<Arithmetic>(&graph_.values[value]);
  return arithmetic != nullptr && graph_.values.known(arithmetic->right) &&
         can_reload(arithmetic->left, there);
}

void ValueCode::reload(Reg reg, ValueId value) {
  if (const auto* load = std::get_if<PacketLoad>(&graph_.values[value])) {
    code.add(ebpf::load(width_of(load->size), reg, options_.packet_start,
                        static_cast<std::int16_t>(load->offset)));
    add_byte_swap(reg, value, *load);
    return;
  }
  const auto& arithmetic = std::get<Arithmetic>(graph_.values[value]);
  reload(reg, arithmetic.left);
  const std::uint32_t right = *graph_.values.known(arithmetic.right);
  code.add(ebpf::alu32(alu_op(arithmetic.op), reg, byte_order_.number(value, right)));
}

Reg ValueCode::raw_load(Width width, std::uint32_t size_bytes, std::optional<ValueId> index,
                        std::uint32_t offset) {
  const Address from = address(size_bytes, index, offset);
  // The pointer may make way for what it loads, if it is not wanted again.
  const Reg reg = allocate();
  code.add(ebpf::load(width, reg, from.base, from.offset));
  return reg;
}

/// Where to load from; the register in it may be allocated next, for the load's result.
ValueCode::Address ValueCode::address(std::uint32_t size_bytes, std::optional<ValueId> index,
                                      std::uint32_t offset) {
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
    return {.base = give_up(), .offset = 0};  // no path comes here: a guard stands before each load
  }
  if (offset > std::numeric_limits<std::int16_t>::max()) {
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
  code.add(ebpf::mov(reg, options_.packet_end));
  code.add(ebpf::alu(ebpf::Alu::Sub, reg, options_.packet_start));
  code.add(ebpf::mov32(reg, reg));  // the verifier knows nothing of a difference of pointers
  return reg;
}

/// A register with `value` that may be overwritten.
Reg ValueCode::own(ValueId wanted) {
  const Reg from = value(wanted);
  if (!is_pinned(from) && uses_.next_value(wanted, position) == Uses::kNever) {
    held(from) = Held{};
    return from;
  }
  const std::uint32_t pinned = pinned_;
  pin(from);
  const Reg reg = allocate();
  pinned_ = pinned;
  code.add(ebpf::mov32(reg, from));
  return reg;
}

Reg ValueCode::compute_arithmetic(ValueId id, const Arithmetic& arithmetic) {
  const std::uint32_t pinned = pinned_;
  const auto right_k = graph_.values.known(arithmetic.right);
  const auto left_k = graph_.values.known(arithmetic.left);
  Reg dst{};
  if (right_k && arithmetic.op == AluOp::Add) {
    // Not as a copy that something is added to: the verifier would tie it to its original.
    const Reg from = value(arithmetic.left);
    pin(from);
    dst = allocate_for(id);
    code.add(ebpf::mov32(dst, *right_k));
    code.add(ebpf::alu32(ebpf::Alu::Add, dst, from));
  } else if (right_k) {
    dst = own(arithmetic.left);
    code.add(ebpf::alu32(alu_op(arithmetic.op), dst, byte_order_.number(id, *right_k)));
  } else if (left_k == 0 && arithmetic.op == AluOp::Sub) {
    dst = own(arithmetic.right);
    code.add(ebpf::neg32(dst));
  } else {
    const Reg right = value(arithmetic.right);
    pin(right);
    dst = own(arithmetic.left);
    code.add(ebpf::alu32(alu_op(arithmetic.op), dst, right));
  }
  pinned_ = pinned;
  return dst;
}

}  // namespace cbpfc::optimizer
