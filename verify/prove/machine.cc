// SPDX-License-Identifier: BSD-3-Clause
//
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst; kernel/bpf/verifier.c
// adjust_ptr_min_max_vals() for what may be done with pointers.
// Tested by: prove_test.cc, mutation_test.cc.

#include "verify/prove/machine.h"

#include <fmt/core.h>

#include <algorithm>

#include "cbpfc/emit/ebpf_opcodes.h"
#include "verify/prove/fragment_live.h"
#include "verify/prove/numbers.h"

namespace cbpfc::prove {
namespace {

namespace opcode = ebpf::opcode;
using ebpf::Alu;
using ebpf::Width;

constexpr std::int64_t kStackBytes = 512;
/// Pointers stay so near their packet that sums and comparisons of addresses do not wrap.
constexpr std::int64_t kFarthest = std::int64_t{1} << 33;

unsigned access_bytes(const ebpf::Insn& insn) {
  switch (static_cast<Width>(insn.opcode & opcode::kSizeMask)) {
    case Width::Byte: return 1;
    case Width::Half: return 2;
    case Width::Word: return 4;
    case Width::Double: return 8;
  }
  return 0;
}

bool is_memory(const ebpf::Insn& insn) {
  return (insn.opcode & ~(opcode::kSizeMask | opcode::kClassMask)) == opcode::kMem;
}

bool is_64(const ebpf::Insn& insn) {
  return (insn.opcode & opcode::kClassMask) == opcode::kAlu64;
}

std::uint64_t sign_extended(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

}  // namespace

SymbolicMachine::SymbolicMachine(Terms& terms, SymbolicPacket& packet, const Claim& claim)
    : terms_(terms), packet_(packet), claim_(claim), path_(terms.truth(true)) {}

MachineState SymbolicMachine::entry() const {
  const ebpf::EntryState& entry = claim_.entry;
  MachineState state;
  const auto reg = [&](ebpf::Reg r) -> Value& {
    return state.registers[static_cast<std::size_t>(r)];
  };
  reg(ebpf::Reg::R10) = {.kind = Kind::Stack};
  // An address that probe reads go through is a number to the kernel.  Here it is a pointer, of which
  // nothing else may be made.
  reg(entry.packet_start) = {.kind = Kind::Packet, .term = terms_.number(0, 64)};
  reg(entry.packet_end) = entry.access == PacketAccess::Direct
                              ? Value{.kind = Kind::PacketEnd, .term = packet_.length64()}
                              : number_value(packet_.length64());
  if (entry.packet_length) {
    reg(*entry.packet_length) = number_value(z3::zext(packet_.wire_length32(), 32).simplify());
  }
  if (entry.context) {
    reg(*entry.context) = {.kind = Kind::Context};
  }
  return state;
}

void SymbolicMachine::violate_unless(const z3::expr& condition, std::string what) {
  const z3::expr wrong = terms_.both(path_, terms_.negation(condition));
  if (!wrong.is_false()) {
    violations_.push_back({wrong, at_, std::move(what)});
  }
}

void SymbolicMachine::violate(std::string what) {
  if (!stopped_) {
    violate_unless(terms_.truth(false), std::move(what));
    stopped_ = true;
  }
}

void SymbolicMachine::trespass(std::string what) {
  violations_.push_back({path_, at_, std::move(what), false});
}

void SymbolicMachine::refuse_unsupported(std::string what) {
  if (!error_) {
    error_ = Error{.code = Errc::Unsupported,
                   .message = fmt::format("prove: eBPF instruction {}: {}", at_, what),
                   .detail = {}};
  }
  stopped_ = true;
}

Value SymbolicMachine::read(std::size_t reg) {
  Value& value = state_.registers[reg];
  if (value.kind == Kind::Unreadable) {
    violate(fmt::format("reads R{}, which was not written", reg));
  } else if (value.unreadable) {
    violate_unless(
        terms_.negation(*value.unreadable),
        fmt::format("reads R{}, which was not written, or not the same kind on every path", reg));
    value.unreadable.reset();
  }
  return value;
}

void SymbolicMachine::check_writable(std::size_t reg) {
  const auto is_reg = [&](ebpf::Reg r) { return static_cast<std::size_t>(r) == reg; };
  if (reg == 10) {
    violate("writes R10, the frame pointer");
  } else if (claim_.writable && std::ranges::none_of(claim_.writable->registers, is_reg)) {
    trespass(fmt::format("writes R{}, which is the caller's", reg));
  }
}

void SymbolicMachine::write(std::size_t reg, Value value) {
  check_writable(reg);
  state_.registers[reg] = std::move(value);
}

Value SymbolicMachine::source(const ebpf::Insn& insn) {
  return (insn.opcode & opcode::kSourceReg) != 0
             ? read(insn.registers >> 4)
             : number_value(terms_.number(sign_extended(insn.immediate), 64));
}

void SymbolicMachine::step(const ebpf::Insn& insn, const ebpf::Insn* next, std::size_t at) {
  at_ = at;
  if ((insn.registers & 0xf) > 10 || insn.registers >> 4 > 10) {
    violate("names a register above R10");
    return;
  }
  switch (insn.opcode & opcode::kClassMask) {
    case opcode::kLd: load_immediate(insn, next); break;
    case opcode::kLdx: load(insn); break;
    case opcode::kSt:
    case opcode::kStx: store(insn); break;
    case opcode::kAlu32:
    case opcode::kAlu64: arithmetic(insn); break;
    default: call(insn); break;
  }
}

void SymbolicMachine::load_immediate(const ebpf::Insn& insn, const ebpf::Insn* next) {
  if (insn.opcode != opcode::kLoadImm64) {
    violate(fmt::format("unknown opcode 0x{:02x}", insn.opcode));
  } else if (next == nullptr || next->opcode != 0) {
    violate("the second half of a 16-byte load is missing");
  } else if (insn.registers >> 4 != 0) {
    refuse_unsupported("loads a map");
  } else {
    const auto low = static_cast<std::uint32_t>(insn.immediate);
    const auto high = static_cast<std::uint32_t>(next->immediate);
    write(insn.registers & 0xf, number_value(terms_.number(std::uint64_t{high} << 32 | low, 64)));
  }
}

// Memory.

void SymbolicMachine::load(const ebpf::Insn& insn) {
  if (!is_memory(insn)) {
    violate(fmt::format("unknown opcode 0x{:02x}", insn.opcode));
    return;
  }
  const Value base = read(insn.registers >> 4);
  const unsigned bytes = access_bytes(insn);
  Value loaded;
  switch (base.kind) {
    case Kind::Packet:
      loaded = load_packet((*base.term + terms_.number(sign_extended(insn.offset), 64)).simplify(),
                           bytes);
      break;
    case Kind::Stack: loaded = load_stack(base.offset + insn.offset, bytes); break;
    case Kind::Context: loaded = load_context(base.offset + insn.offset, bytes); break;
    default: violate(fmt::format("loads through {}", name_of(base.kind))); break;
  }
  if (!stopped_) {
    write(insn.registers & 0xf, std::move(loaded));
  }
}

Value SymbolicMachine::load_packet(const z3::expr& offset64, unsigned bytes) {
  if (claim_.entry.access == PacketAccess::Probe) {
    violate("loads through a number");
    return {};
  }
  const z3::expr inside = packet_.contains(offset64, bytes);
  violate_unless(inside, fmt::format("loads {} bytes outside the packet", bytes));
  if (inside.is_false()) {
    stopped_ = true;
    return {};
  }
  const z3::expr value = packet_.load_little(offset64, bytes);
  return number_value(bytes == 8 ? value : z3::zext(value, 64 - 8 * bytes).simplify());
}

bool SymbolicMachine::on_stack(std::int64_t at, unsigned bytes) {
  if (at < -kStackBytes || at + bytes > 0) {
    violate(fmt::format("touches {} bytes at R10{:+}, outside the stack", bytes, at));
  } else if (at % bytes != 0) {
    violate(fmt::format("touches {} bytes at R10{:+}, not aligned", bytes, at));
  }
  return !stopped_;
}

Value SymbolicMachine::load_stack(std::int64_t at, unsigned bytes) {
  if (!on_stack(at, bytes)) {
    return {};
  }
  Value loaded = state_.stack.load(terms_, at, bytes);
  if (loaded.unreadable) {
    violate_unless(terms_.negation(*loaded.unreadable),
                   fmt::format("loads {} bytes from R10{:+}, which were not written on every path",
                               bytes, at));
    loaded.unreadable.reset();
  }
  if (loaded.kind == Kind::Unreadable) {
    violate(fmt::format("loads {} bytes from R10{:+}, which were not written", bytes, at));
    return {};
  }
  return loaded;
}

/// Source: Linux v6.18 include/uapi/linux/bpf.h struct xdp_md.
Value SymbolicMachine::load_context(std::int64_t at, unsigned bytes) {
  if (bytes == 4) {
    switch (at) {
      case 0: return {.kind = Kind::Packet, .term = terms_.number(0, 64)};
      case 4: return {.kind = Kind::PacketEnd, .term = packet_.length64()};
      case 12: return number_value(z3::zext(packet_.environment().ingress_ifindex, 32).simplify());
      case 16: return number_value(z3::zext(packet_.environment().rx_queue_index, 32).simplify());
      default: break;
    }
  }
  violate(fmt::format("loads {} bytes at offset {} of the context", bytes, at));
  return {};
}

void SymbolicMachine::store(const ebpf::Insn& insn) {
  if (!is_memory(insn)) {
    violate(fmt::format("unknown opcode 0x{:02x}", insn.opcode));
    return;
  }
  const Value base = read(insn.registers & 0xf);
  const bool from_register = (insn.opcode & opcode::kClassMask) == opcode::kStx;
  const Value value = from_register
                          ? read(insn.registers >> 4)
                          : number_value(terms_.number(sign_extended(insn.immediate), 64));
  if (base.kind != Kind::Stack) {
    violate(fmt::format("stores through {}", name_of(base.kind)));
  }
  if (!stopped_) {
    store_stack(base.offset + insn.offset, access_bytes(insn), value);
  }
}

void SymbolicMachine::store_stack(std::int64_t at, unsigned bytes, const Value& value) {
  if (!on_stack(at, bytes)) {
    return;
  }
  if (!value.is_number() && bytes != 8) {
    violate(fmt::format("stores a part of {}", name_of(value.kind)));
    return;
  }
  if (claim_.writable && (at < -std::int64_t{claim_.writable->stack_to_bytes} ||
                          at + bytes > -std::int64_t{claim_.writable->stack_from_bytes})) {
    trespass(fmt::format("stores to R10{:+}, which is the caller's", at));
  }
  state_.stack.store(terms_, at, bytes, value);
}

// Arithmetic.

void SymbolicMachine::arithmetic(const ebpf::Insn& insn) {
  const std::size_t dst = insn.registers & 0xf;
  const int op = insn.opcode & opcode::kOpMask;
  if (insn.offset != 0) {
    refuse_unsupported("signed division or move with sign extension (cpu v4)");
    return;
  }
  const bool moves = op == static_cast<int>(Alu::Mov);
  const bool unary = op == opcode::kEnd || op == opcode::kNeg;
  const Value right = unary ? number_value(terms_.number(0, 64)) : source(insn);
  const Value left = moves ? number_value(terms_.number(0, 64)) : read(dst);
  if (stopped_) {
    return;
  }
  if (moves && is_64(insn)) {
    write(dst, right);
    return;
  }
  if (!left.is_number() || !right.is_number()) {
    write(dst, pointer_arithmetic(insn, left, right));
    return;
  }
  auto result = compute(terms_, insn, *left.term, *right.term);
  if (!result) {
    violate(std::move(result).error());
    return;
  }
  write(dst, number_value(*std::move(result)));
}

Value SymbolicMachine::pointer_arithmetic(const ebpf::Insn& insn, const Value& left,
                                          const Value& right) {
  const int op = insn.opcode & opcode::kOpMask;
  const bool adds = is_64(insn) && op == static_cast<int>(Alu::Add);
  const bool subtracts = is_64(insn) && op == static_cast<int>(Alu::Sub);
  const auto movable = [](const Value& v) { return !v.is_number() && v.kind != Kind::PacketEnd; };
  if (adds && movable(left) && right.is_number()) {
    return move_pointer(left, *right.term);
  }
  if (adds && left.is_number() && movable(right)) {
    return move_pointer(right, *left.term);
  }
  if (subtracts && movable(left) && right.is_number()) {
    return move_pointer(left, (-*right.term).simplify());
  }
  if (subtracts && left.in_packet() && right.in_packet()) {
    return number_value((*left.term - *right.term).simplify());
  }
  if (subtracts && left.kind == right.kind) {
    return number_value(terms_.number(static_cast<std::uint64_t>(left.offset - right.offset), 64));
  }
  violate(fmt::format("computes with {} and {}", name_of(left.kind), name_of(right.kind)));
  return {};
}

Value SymbolicMachine::move_pointer(const Value& pointer, const z3::expr& by) {
  std::uint64_t constant = 0;
  const bool is_constant = by.is_numeral_u64(constant);
  if (pointer.kind == Kind::Packet) {
    if (!is_constant && terms_.max_value(by) >= static_cast<std::uint64_t>(kFarthest)) {
      const z3::expr near = z3::sle(terms_.number(sign_extended(-kFarthest), 64), by) &&
                            z3::sle(by, terms_.number(sign_extended(kFarthest), 64));
      violate_unless(near.simplify(), "adds a number of more than 33 bits to a packet pointer");
    }
    return {.kind = Kind::Packet, .term = (*pointer.term + by).simplify()};
  }
  if (!is_constant) {
    violate(fmt::format("adds a number that depends on the packet to {}", name_of(pointer.kind)));
  }
  return {.kind = pointer.kind, .offset = pointer.offset + static_cast<std::int64_t>(constant)};
}

// Control.

z3::expr SymbolicMachine::jump_condition(const ebpf::Insn& insn, std::size_t at) {
  at_ = at;
  if ((insn.registers & 0xf) > 10 || insn.registers >> 4 > 10) {
    violate("names a register above R10");
    return terms_.truth(false);
  }
  const Value left = read(insn.registers & 0xf);
  const Value right = source(insn);
  if (stopped_) {
    return terms_.truth(false);
  }
  const bool numbers = left.is_number() && right.is_number();
  const bool wide = (insn.opcode & opcode::kClassMask) == opcode::kJmp;
  const bool ordered = (insn.opcode & opcode::kOpMask) != static_cast<int>(ebpf::Cmp::Any);
  if (!numbers && !(wide && ordered && left.in_packet() && right.in_packet())) {
    violate(fmt::format("compares {} with {}", name_of(left.kind), name_of(right.kind)));
    return terms_.truth(false);
  }
  ebpf::Insn compared = insn;
  if (!numbers) {  // addresses, unsigned, are in the order of offsets, signed
    constexpr int kUnsignedToSigned[] = {0x20, 0x60, 0x30, 0x70, 0xa0, 0xc0, 0xb0, 0xd0};
    for (std::size_t i = 0; i < std::size(kUnsignedToSigned); i += 2) {
      if ((insn.opcode & opcode::kOpMask) == kUnsignedToSigned[i]) {
        compared.opcode =
            static_cast<std::uint8_t>((insn.opcode & ~opcode::kOpMask) | kUnsignedToSigned[i + 1]);
      }
    }
  }
  auto condition = taken(terms_, compared, *left.term, *right.term);
  if (!condition) {
    violate(std::move(condition).error());
    return terms_.truth(false);
  }
  return *std::move(condition);
}

z3::expr SymbolicMachine::number_in(std::size_t reg, std::size_t at) {
  at_ = at;
  const Value value = read(reg);
  if (!stopped_ && !value.is_number()) {
    violate(fmt::format("ends with {} in R{}", name_of(value.kind), reg));
  }
  return stopped_ ? terms_.number(0, 64) : *value.term;
}

void SymbolicMachine::call(const ebpf::Insn& insn) {
  if (insn.opcode != (opcode::kJmp | opcode::kCall)) {
    violate(fmt::format("unknown opcode 0x{:02x}", insn.opcode));
    return;
  }
  Value returned = number_value(terms_.number(0, 64));
  const Environment& known = packet_.environment();
  switch (insn.registers >> 4 == 0 ? insn.immediate : -1) {
    case opcode::kHelperRandom:
      returned = number_value(z3::zext(known.random, 32).simplify());
      break;
    case opcode::kHelperProcessorId:
      returned = number_value(z3::zext(known.processor_id, 32).simplify());
      break;
    case opcode::kHelperProbeReadKernel: probe_read(); break;
    default: refuse_unsupported(fmt::format("calls helper {}", insn.immediate)); break;
  }
  for (std::size_t i = 0; i <= 5 && !stopped_; ++i) {
    write(i, i == 0 ? returned : Value{});
  }
}

/// bpf_probe_read_kernel(R1 to, R2 bytes, R3 from): it reads what it is told to, or the path is wrong.
void SymbolicMachine::probe_read() {
  const Value to = read(1);
  const Value count = read(2);
  const Value from = read(3);
  if (stopped_) {
    return;
  }
  std::uint64_t bytes = 0;
  const bool is_constant = count.is_number() && count.term->is_numeral_u64(bytes);
  const bool loadable = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
  if (to.kind != Kind::Stack || from.kind != Kind::Packet || !is_constant || !loadable ||
      claim_.entry.access != PacketAccess::Probe) {
    violate("bpf_probe_read_kernel with arguments other than stack, 1, 2, 4 or 8, and packet");
    return;
  }
  const auto size = static_cast<unsigned>(bytes);
  const z3::expr inside = packet_.contains(*from.term, size);
  violate_unless(inside, fmt::format("reads {} bytes outside the packet", size));
  const z3::expr value = packet_.load_little(*from.term, size);
  store_stack(to.offset, size,
              number_value(size == 8 ? value : z3::zext(value, 64 - 8 * size).simplify()));
}

}  // namespace cbpfc::prove
