// SPDX-License-Identifier: BSD-3-Clause
//
// One instruction a step, on registers that know what they hold.
//
// A Value is 64 bits and a region.  Pointers are addresses of made-up regions far from each other,
// so that adding to them and comparing them work as in the kernel; the region decides whether an
// access is legal, the address alone never does:
//
//     r4 = r2            Packet, kPacketAddress
//     r4 += 24           Packet, kPacketAddress + 24
//     if r4 > r3 ...     compares with PacketEnd, kPacketAddress + size
//     r5 = *(u16 *)(r4 -4)   two bytes at packet offset 20, if there are that many
//
// A packet_end pointer can only be compared, copied, and subtracted from, as in the kernel.
//
// Stack bytes know whether they were written.  A pointer on the stack is kept beside its eight
// bytes, whole, and is gone when one of them is written.
//
// Sources: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst; kernel/bpf/verifier.c
// adjust_ptr_min_max_vals() for what may be done with pointers.
// Tested by: ebpf_interpret_test.cc, and against interpret() there.

#include <cbpfc/ebpf_interpret.h>
#include <fmt/format.h>

#include <string>
#include <utility>

#include "ebpf_opcodes.h"

namespace cbpfc::ebpf {
namespace {

enum class Region : std::uint8_t { Unwritten, Number, Packet, PacketEnd, Stack, Context };

constexpr std::uint64_t kPacketAddress = 0xffff'8881'0000'0000;
constexpr std::uint64_t kStackTop = 0xffff'c900'0000'2000;
constexpr std::uint64_t kContextAddress = 0xffff'c980'0000'0000;
constexpr std::size_t kStackBytes = 512;
constexpr std::size_t kWordBytes = 8;

struct Value {
  std::uint64_t bits = 0;
  Region region = Region::Unwritten;
  bool is_number() const { return region == Region::Number; }
};

Value number(std::uint64_t bits) {
  return {.bits = bits, .region = Region::Number};
}

std::string_view name_of(Region region) {
  switch (region) {
    case Region::Unwritten: return "nothing";
    case Region::Number: return "a number";
    case Region::Packet: return "a pointer into the packet";
    case Region::PacketEnd: return "the pointer behind the packet";
    case Region::Stack: return "a pointer into the stack";
    case Region::Context: return "a pointer into the context";
  }
  return "?";
}

struct Stack {
  std::array<std::uint8_t, kStackBytes> bytes = {};
  std::array<bool, kStackBytes> written = {};
  std::array<Region, kStackBytes / kWordBytes> pointers = {};  ///< Unwritten: no pointer there
};

std::uint64_t load_le(std::span<const std::uint8_t> bytes) {
  std::uint64_t loaded = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    loaded = loaded << 8 | bytes[i - 1];
  }
  return loaded;
}

std::uint64_t low_bits(std::uint64_t value, unsigned bits) {
  return bits == 64 ? value : value & ((std::uint64_t{1} << bits) - 1);
}

std::uint64_t byte_swap(std::uint64_t value, unsigned bits) {
  std::uint64_t swapped = 0;
  for (unsigned i = 0; i < bits; i += 8) {
    swapped = swapped << 8 | (value >> i & 0xff);
  }
  return swapped;
}

class Run {
 public:
  Run(std::span<const Insn> insns, std::span<const std::uint8_t> packet, const EntryState& entry)
      : insns_(insns), packet_(packet), entry_(entry) {
    const bool probe = entry.access == PacketAccess::Probe;
    const bool direct = entry.access == PacketAccess::Direct;
    reg(10) = {.bits = kStackTop, .region = Region::Stack};
    reg(entry.packet_start) = {.bits = kPacketAddress,
                               .region = probe ? Region::Number : Region::Packet};
    reg(entry.packet_end) = direct ? packet_end() : number(packet.size());
    if (entry.packet_length) {
      reg(*entry.packet_length) = number(entry.wire_length_bytes);
    }
    if (entry.context) {
      reg(*entry.context) = {.bits = kContextAddress, .region = Region::Context};
    }
  }

  Result<Execution> run(std::uint64_t max_insns) {
    Execution done;
    while (pc_ < insns_.size()) {
      if (done.insns == max_insns) {
        return fail(
            Errc::InvalidArgument,
            fmt::format("run eBPF: instruction {}: stopped after {} instructions", pc_, max_insns));
      }
      const std::size_t at = pc_++;
      const Insn& insn = insns_[at];
      step(insn);
      if (error_) {
        error_->message = fmt::format("run eBPF: instruction {}: {}", at, error_->message);
        return std::unexpected(*std::move(error_));
      }
      ++done.insns;
      if (insn.opcode == (opcode::kJmp | opcode::kExit)) {
        pc_ = at;
        break;
      }
    }
    done.stopped_at = pc_;
    for (std::size_t i = 0; i < registers_.size(); ++i) {
      done.registers[i] = registers_[i].bits;
    }
    return done;
  }

 private:
  Value& reg(std::size_t number) { return registers_[number]; }
  Value& reg(Reg r) { return registers_[static_cast<std::size_t>(r)]; }
  Value packet_end() const {
    return {.bits = kPacketAddress + packet_.size(), .region = Region::PacketEnd};
  }

  void refuse(std::string reason, Errc code = Errc::InvalidProgram) {
    if (!error_) {
      error_ = Error{.code = code, .message = std::move(reason), .detail = {}};
    }
  }

  /// The value of a register that must have been written.
  Value read(std::size_t index) {
    if (registers_[index].region == Region::Unwritten) {
      refuse(fmt::format("reads R{}, which was not written", index));
    }
    return registers_[index];
  }

  void write(std::size_t index, Value value) {
    if (index == 10) {
      refuse("writes R10, the frame pointer");
    }
    registers_[index] = value;
  }

  /// The right side of arithmetic and comparisons.
  Value source(const Insn& insn) {
    return (insn.opcode & opcode::kSourceReg) != 0
               ? read(insn.registers >> 4)
               : number(static_cast<std::uint64_t>(static_cast<std::int64_t>(insn.immediate)));
  }

  void step(const Insn& insn) {
    if ((insn.registers & 0xf) > 10 || insn.registers >> 4 > 10) {
      refuse("names a register above R10");
      return;
    }
    switch (insn.opcode & opcode::kClassMask) {
      case opcode::kLd: load_immediate(insn); break;
      case opcode::kLdx: load(insn); break;
      case opcode::kSt:
      case opcode::kStx: store(insn); break;
      case opcode::kAlu32:
      case opcode::kAlu64: arithmetic(insn); break;
      default: jump(insn); break;
    }
  }

  void bad_opcode(const Insn& insn) { refuse(fmt::format("unknown opcode 0x{:02x}", insn.opcode)); }

  void load_immediate(const Insn& insn) {
    if (insn.opcode != opcode::kLoadImm64) {
      bad_opcode(insn);
    } else if (pc_ >= insns_.size() || insns_[pc_].opcode != 0) {
      refuse("the second half of a 16-byte load is missing");
    } else if (insn.registers >> 4 != 0) {
      refuse("loads a map, and there are none here", Errc::Unsupported);
    } else {
      const auto low = static_cast<std::uint32_t>(insn.immediate);
      const auto high = static_cast<std::uint32_t>(insns_[pc_++].immediate);
      write(insn.registers & 0xf, number(std::uint64_t{high} << 32 | low));
    }
  }

  // Memory.

  static std::size_t access_bytes(const Insn& insn) {
    switch (static_cast<Width>(insn.opcode & opcode::kSizeMask)) {
      case Width::Byte: return 1;
      case Width::Half: return 2;
      case Width::Word: return 4;
      case Width::Double: return 8;
    }
    return 0;
  }

  /// Where in `size` bytes from `base` an access of `bytes` lies, or an error.
  std::size_t place(std::string_view what, std::uint64_t address, std::uint64_t base,
                    std::size_t size, std::size_t bytes) {
    const std::uint64_t at = address - base;
    if (at > size || bytes > size - at) {
      refuse(fmt::format("touches {} byte{} at offset {} of the {}, which has {}", bytes,
                         bytes == 1 ? "" : "s", static_cast<std::int64_t>(at), what, size));
      return 0;
    }
    return at;
  }

  std::size_t place_on_stack(std::uint64_t address, std::size_t bytes) {
    return place("stack", address, kStackTop - kStackBytes, kStackBytes, bytes);
  }

  void load(const Insn& insn) {
    if ((insn.opcode & ~(opcode::kSizeMask | opcode::kClassMask)) != opcode::kMem) {
      bad_opcode(insn);
      return;
    }
    const Value base = read(insn.registers >> 4);
    const std::uint64_t address = base.bits + static_cast<std::uint64_t>(std::int64_t{insn.offset});
    const std::size_t bytes = access_bytes(insn);
    Value loaded = number(0);
    switch (base.region) {
      case Region::Packet: {
        const std::size_t at = place("packet", address, kPacketAddress, packet_.size(), bytes);
        if (!error_) {
          loaded = number(load_le(packet_.subspan(at, bytes)));
        }
        break;
      }
      case Region::Stack: loaded = load_stack(address, bytes); break;
      case Region::Context: loaded = load_context(address, bytes); break;
      default: refuse(fmt::format("loads through {}", name_of(base.region))); break;
    }
    write(insn.registers & 0xf, loaded);
  }

  Value load_stack(std::uint64_t address, std::size_t bytes) {
    const std::size_t at = place_on_stack(address, bytes);
    if (at % bytes != 0) {
      refuse(fmt::format("loads {} bytes from the stack, not aligned", bytes));
    }
    const std::span all(stack_.bytes);
    const Region pointer = stack_.pointers[at / kWordBytes];
    if (pointer != Region::Unwritten) {
      if (bytes != kWordBytes) {
        refuse("loads a part of a pointer from the stack");
      }
      return {.bits = load_le(all.subspan(at, bytes)), .region = pointer};
    }
    for (std::size_t i = at; i < at + bytes; ++i) {
      if (!stack_.written[i]) {
        refuse(fmt::format("loads from R10{:+}, which was not written",
                           static_cast<int>(i) - static_cast<int>(kStackBytes)));
      }
    }
    return number(load_le(all.subspan(at, bytes)));
  }

  /// Source: Linux v6.18 include/uapi/linux/bpf.h struct xdp_md.
  Value load_context(std::uint64_t address, std::size_t bytes) {
    const std::uint64_t offset = address - kContextAddress;
    if (bytes == 4) {
      switch (offset) {
        case 0: return {.bits = kPacketAddress, .region = Region::Packet};
        case 4: return packet_end();
        case 12: return number(entry_.ingress_ifindex);
        case 16: return number(entry_.rx_queue_index);
        default: break;
      }
    }
    refuse(fmt::format("loads {} bytes at offset {} of the context", bytes,
                       static_cast<std::int64_t>(offset)));
    return number(0);
  }

  void store(const Insn& insn) {
    if ((insn.opcode & ~(opcode::kSizeMask | opcode::kClassMask)) != opcode::kMem) {
      bad_opcode(insn);
      return;
    }
    const Value base = read(insn.registers & 0xf);
    const bool from_register = (insn.opcode & opcode::kClassMask) == opcode::kStx;
    const Value value = from_register
                            ? read(insn.registers >> 4)
                            : number(static_cast<std::uint64_t>(std::int64_t{insn.immediate}));
    if (base.region != Region::Stack) {
      refuse(fmt::format("stores through {}", name_of(base.region)));
      return;
    }
    store_stack(base.bits + static_cast<std::uint64_t>(std::int64_t{insn.offset}),
                access_bytes(insn), value);
  }

  void store_stack(std::uint64_t address, std::size_t bytes, Value value) {
    const std::size_t at = place_on_stack(address, bytes);
    if (at % bytes != 0) {
      refuse(fmt::format("stores {} bytes to the stack, not aligned", bytes));
    }
    if (!value.is_number() && bytes != kWordBytes) {
      refuse(fmt::format("stores a part of {}", name_of(value.region)));
    }
    if (error_) {
      return;
    }
    for (std::size_t i = 0; i < bytes; ++i) {
      write_stack_byte(at + i, static_cast<std::uint8_t>(value.bits >> 8 * i));
    }
    if (!value.is_number()) {
      stack_.pointers[at / kWordBytes] = value.region;
    }
  }

  void write_stack_byte(std::size_t at, std::uint8_t byte) {
    const std::size_t word = at / kWordBytes;
    if (stack_.pointers[word] != Region::Unwritten) {
      stack_.pointers[word] = Region::Unwritten;
      for (std::size_t i = word * kWordBytes; i < (word + 1) * kWordBytes; ++i) {
        stack_.written[i] = false;
      }
    }
    stack_.bytes[at] = byte;
    stack_.written[at] = true;
  }

  // Arithmetic.

  void arithmetic(const Insn& insn) {
    const std::size_t dst = insn.registers & 0xf;
    const int op = insn.opcode & opcode::kOpMask;
    if (insn.offset != 0) {
      refuse("signed division and moves with sign extension (cpu v4) are not known here",
             Errc::Unsupported);
    } else if (op == opcode::kEnd) {
      write(dst, number(swap(insn, read(dst))));
    } else if (op == opcode::kNeg) {
      write(dst, number(compute(insn, op, read(dst), number(0))));
    } else if (op == static_cast<int>(Alu::Mov)) {
      move(insn);
    } else {
      compute_binary(insn);
    }
  }

  static bool is_64(const Insn& insn) {
    return (insn.opcode & opcode::kClassMask) == opcode::kAlu64;
  }

  void move(const Insn& insn) {
    const Value value = source(insn);
    if (!is_64(insn) && !value.is_number()) {
      refuse(fmt::format("copies half of {}", name_of(value.region)));
    }
    write(insn.registers & 0xf, is_64(insn) ? value : number(low_bits(value.bits, 32)));
  }

  void compute_binary(const Insn& insn) {
    const std::size_t dst = insn.registers & 0xf;
    const int op = insn.opcode & opcode::kOpMask;
    const Value left = read(dst);
    const Value right = source(insn);
    if (left.is_number() && right.is_number()) {
      write(dst, number(compute(insn, op, left, right)));
    } else {
      write(dst, compute_pointer(insn, op, left, right));
    }
  }

  Value compute_pointer(const Insn& insn, int op, Value left, Value right) {
    const bool adds = op == static_cast<int>(Alu::Add);
    const bool subtracts = op == static_cast<int>(Alu::Sub);
    const auto movable = [](Value v) { return !v.is_number() && v.region != Region::PacketEnd; };
    const auto in_packet = [](Value v) {
      return v.region == Region::Packet || v.region == Region::PacketEnd;
    };
    if (is_64(insn) && (adds || subtracts) && movable(left) && right.is_number()) {
      return {.bits = adds ? left.bits + right.bits : left.bits - right.bits,
              .region = left.region};
    }
    if (is_64(insn) && adds && left.is_number() && movable(right)) {
      return {.bits = left.bits + right.bits, .region = right.region};
    }
    if (is_64(insn) && subtracts && in_packet(left) && in_packet(right)) {
      return number(left.bits - right.bits);
    }
    refuse(fmt::format("computes with {} and {}", name_of(left.region), name_of(right.region)));
    return left;
  }

  std::uint64_t compute(const Insn& insn, int op, Value left, Value right) {
    if (!left.is_number()) {
      refuse(fmt::format("computes with {}", name_of(left.region)));
    }
    const unsigned width = is_64(insn) ? 64 : 32;
    const std::uint64_t a = low_bits(left.bits, width);
    const std::uint64_t b = low_bits(right.bits, width);
    const std::uint64_t shift = b & (width - 1);
    const bool shifts = op == static_cast<int>(Alu::Lsh) || op == static_cast<int>(Alu::Rsh) ||
                        op == static_cast<int>(Alu::Arsh);
    if ((insn.opcode & opcode::kSourceReg) == 0) {
      if (shifts && b >= width) {
        refuse(fmt::format("shifts {} bits by {}", width, b));
      }
      if (b == 0 && (op == static_cast<int>(Alu::Div) || op == static_cast<int>(Alu::Mod))) {
        refuse("divides by the constant 0");
        return 0;
      }
    }
    if (op == opcode::kNeg) {
      return low_bits(-a, width);
    }
    switch (static_cast<Alu>(op)) {
      case Alu::Add: return low_bits(a + b, width);
      case Alu::Sub: return low_bits(a - b, width);
      case Alu::Mul: return low_bits(a * b, width);
      case Alu::Div: return b == 0 ? 0 : a / b;
      case Alu::Or: return a | b;
      case Alu::And: return a & b;
      case Alu::Lsh: return low_bits(a << shift, width);
      case Alu::Rsh: return a >> shift;
      case Alu::Mod: return b == 0 ? a : a % b;
      case Alu::Xor: return a ^ b;
      case Alu::Arsh: return shift_signed(a, shift, width);
      case Alu::Mov: break;
    }
    bad_opcode(insn);
    return 0;
  }

  static std::uint64_t shift_signed(std::uint64_t value, std::uint64_t shift, unsigned width) {
    return width == 64 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value) >> shift)
                       : static_cast<std::uint32_t>(static_cast<std::int32_t>(value) >> shift);
  }

  /// be, le (to and from host order are the same) and bswap, the v4 swap whatever the host.
  std::uint64_t swap(const Insn& insn, Value value) {
    const auto bits = static_cast<unsigned>(insn.immediate);
    const bool to_big = (insn.opcode & opcode::kToBigEndian) != 0;
    if ((bits != 16 && bits != 32 && bits != 64) || (is_64(insn) && to_big)) {
      bad_opcode(insn);
      return 0;
    }
    if (!value.is_number()) {
      refuse(fmt::format("swaps the bytes of {}", name_of(value.region)));
    }
    return is_64(insn) || to_big ? byte_swap(value.bits, bits) : low_bits(value.bits, bits);
  }

  // Control.

  void jump(const Insn& insn) {
    const bool wide = (insn.opcode & opcode::kClassMask) == opcode::kJmp;
    const bool by_register = (insn.opcode & opcode::kSourceReg) != 0;
    switch (const int op = insn.opcode & opcode::kOpMask) {
      case opcode::kJa: wide && !by_register ? go(insn.offset) : bad_opcode(insn); break;
      case opcode::kCall: wide && !by_register ? call_helper(insn) : bad_opcode(insn); break;
      case opcode::kExit: wide && !by_register ? void(read(0)) : bad_opcode(insn); break;
      default:
        if (compare(insn, op, wide)) {
          go(insn.offset);
        }
        break;
    }
  }

  void go(std::int16_t distance) {
    const auto target = static_cast<std::ptrdiff_t>(pc_) + distance;
    if (target < 0 || std::cmp_greater(target, insns_.size())) {
      refuse(fmt::format("jumps to {}, of {} instructions", target, insns_.size()));
      return;
    }
    pc_ = static_cast<std::size_t>(target);
  }

  bool compare(const Insn& insn, int op, bool wide) {
    const Value left = read(insn.registers & 0xf);
    const Value right = source(insn);
    const auto in_packet = [](Value v) {
      return v.region == Region::Packet || v.region == Region::PacketEnd;
    };
    const bool numbers = left.is_number() && right.is_number();
    if (!numbers && !(wide && in_packet(left) && in_packet(right))) {
      refuse(fmt::format("compares {} with {}", name_of(left.region), name_of(right.region)));
      return false;
    }
    const std::uint64_t a = low_bits(left.bits, wide ? 64 : 32);
    const std::uint64_t b = low_bits(right.bits, wide ? 64 : 32);
    const auto sa = wide ? static_cast<std::int64_t>(a)
                         : std::int64_t{static_cast<std::int32_t>(static_cast<std::uint32_t>(a))};
    const auto sb = wide ? static_cast<std::int64_t>(b)
                         : std::int64_t{static_cast<std::int32_t>(static_cast<std::uint32_t>(b))};
    switch (op) {
      case static_cast<int>(Cmp::Equal): return a == b;
      case static_cast<int>(Cmp::Greater): return a > b;
      case static_cast<int>(Cmp::GreaterEqual): return a >= b;
      case static_cast<int>(Cmp::Any): return (a & b) != 0;
      case static_cast<int>(Cmp::NotEqual): return a != b;
      case static_cast<int>(Cmp::Less): return a < b;
      case static_cast<int>(Cmp::LessEqual): return a <= b;
      case opcode::kSignedGreater: return sa > sb;
      case opcode::kSignedGreaterEqual: return sa >= sb;
      case opcode::kSignedLess: return sa < sb;
      case opcode::kSignedLessEqual: return sa <= sb;
      default: bad_opcode(insn); return false;
    }
  }

  void call_helper(const Insn& insn) {
    Value returned = number(0);
    switch (insn.registers >> 4 == 0 ? insn.immediate : -1) {
      case opcode::kHelperRandom: returned = number(entry_.random); break;
      case opcode::kHelperProcessorId: returned = number(entry_.processor_id); break;
      case opcode::kHelperProbeReadKernel: probe_read(); break;
      default:
        refuse(fmt::format("calls helper {}, which is not known here", insn.immediate),
               Errc::Unsupported);
        break;
    }
    reg(0) = returned;
    for (std::size_t i = 1; i <= 5; ++i) {
      reg(i) = {};
    }
  }

  /// bpf_probe_read_kernel(R1 to, R2 bytes, R3 from), from inside the packet only: what lies around it
  /// is not known.
  void probe_read() {
    const Value to = read(1);
    const Value bytes = read(2);
    const Value from = read(3);
    if (to.region != Region::Stack || !bytes.is_number() || !from.is_number()) {
      refuse(fmt::format("bpf_probe_read_kernel to {}, {} bytes, from {}", name_of(to.region),
                         name_of(bytes.region), name_of(from.region)));
      return;
    }
    const std::size_t source =
        place("packet", from.bits, kPacketAddress, packet_.size(), bytes.bits);
    const std::size_t at = place_on_stack(to.bits, bytes.bits);
    for (std::size_t i = 0; !error_ && i < bytes.bits; ++i) {
      write_stack_byte(at + i, packet_[source + i]);
    }
  }

  std::span<const Insn> insns_;
  std::span<const std::uint8_t> packet_;
  const EntryState& entry_;
  std::array<Value, 11> registers_ = {};
  Stack stack_;
  std::size_t pc_ = 0;
  std::optional<Error> error_;
};

}  // namespace

EntryState entry_state(const EbpfOptions& options, std::uint32_t wire_length_bytes) {
  return {.access = options.access,
          .packet_start = options.packet_start,
          .packet_end = options.packet_end,
          .packet_length = options.packet_length,
          .wire_length_bytes = wire_length_bytes,
          .context = options.ancillary.context};
}

Result<Execution> interpret(std::span<const Insn> insns, std::span<const std::uint8_t> packet,
                            const EntryState& entry, std::uint64_t max_insns) {
  return Run(insns, packet, entry).run(max_insns);
}

}  // namespace cbpfc::ebpf
