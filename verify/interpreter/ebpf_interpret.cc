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
// Sources: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst; kernel/bpf/verifier.c
// adjust_ptr_min_max_vals() for what may be done with pointers.
// Tested by: ebpf_interpret_test.cc, and against interpret() there.

#include "verify/interpreter/ebpf_interpret.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

#include "cbpfc/emit/ebpf_opcodes.h"
#include "verify/interpreter/ebpf_numbers.h"
#include "verify/interpreter/ebpf_stack.h"
#include "verify/interpreter/ebpf_value.h"

namespace cbpfc::ebpf {
namespace {

constexpr std::uint64_t kPacketAddress = 0xffff'8881'0000'0000;
constexpr std::uint64_t kContextAddress = 0xffff'c980'0000'0000;

bool in_packet(Value value) {
  return value.region == Region::Packet || value.region == Region::PacketEnd;
}

class Run {
 public:
  Run(std::span<const Insn> insns, std::span<const std::uint8_t> packet, const EntryState& entry)
      : insns_(insns), packet_(packet), entry_(entry) {
    const bool probe = entry.access == PacketAccess::Probe;
    const bool direct = entry.access == PacketAccess::Direct;
    reg(10) = {.bits = StackMemory::kTop, .region = Region::Stack};
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
    while (pc_ < insns_.size() && std::ranges::find(entry_.stops, pc_) == entry_.stops.end()) {
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
      done.is_number[i] = registers_[i].is_number();
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

  /// The value, or a refusal and a default.
  template <typename T>
  T accept(OrReason<T> result) {
    if (!result) {
      refuse(std::move(result).error());
      return T();
    }
    return *result;
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

  void bad_opcode(const Insn& insn) { refuse(unknown_opcode(insn)); }

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
        const std::size_t at =
            accept(place("packet", address, kPacketAddress, packet_.size(), bytes));
        if (!error_) {
          loaded = number(load_le(packet_.subspan(at, bytes)));
        }
        break;
      }
      case Region::Stack: loaded = accept(stack_.load(address, bytes)); break;
      case Region::Context: loaded = load_context(address, bytes); break;
      default: refuse(fmt::format("loads through {}", name_of(base.region))); break;
    }
    write(insn.registers & 0xf, loaded);
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
    const auto stored =
        stack_.store(base.bits + static_cast<std::uint64_t>(std::int64_t{insn.offset}),
                     access_bytes(insn), value);
    if (!stored) {
      refuse(stored.error());
    }
  }

  // Arithmetic.

  void arithmetic(const Insn& insn) {
    const std::size_t dst = insn.registers & 0xf;
    const int op = insn.opcode & opcode::kOpMask;
    if (insn.offset != 0) {
      refuse("signed division and moves with sign extension (cpu v4) are not known here",
             Errc::Unsupported);
    } else if (op == opcode::kEnd) {
      write(dst, number(accept(swap_bytes(insn, read_number("swaps the bytes of", dst)))));
    } else if (op == opcode::kNeg) {
      write(dst, number(accept(compute(insn, read_number("computes with", dst), 0))));
    } else if (op == static_cast<int>(Alu::Mov)) {
      move(insn);
    } else {
      compute_binary(insn);
    }
  }

  std::uint64_t read_number(std::string_view action, std::size_t index) {
    const Value value = read(index);
    if (!value.is_number()) {
      refuse(fmt::format("{} {}", action, name_of(value.region)));
    }
    return value.bits;
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
    const Value left = read(dst);
    const Value right = source(insn);
    if (left.is_number() && right.is_number()) {
      write(dst, number(accept(compute(insn, left.bits, right.bits))));
    } else {
      write(dst, compute_pointer(insn, left, right));
    }
  }

  Value compute_pointer(const Insn& insn, Value left, Value right) {
    const int op = insn.opcode & opcode::kOpMask;
    const bool adds = op == static_cast<int>(Alu::Add);
    const bool subtracts = op == static_cast<int>(Alu::Sub);
    const auto movable = [](Value v) { return !v.is_number() && v.region != Region::PacketEnd; };
    if (is_64(insn) && (adds || subtracts) && movable(left) && right.is_number()) {
      return {.bits = adds ? left.bits + right.bits : left.bits - right.bits,
              .region = left.region};
    }
    if (is_64(insn) && adds && left.is_number() && movable(right)) {
      return {.bits = left.bits + right.bits, .region = right.region};
    }
    const bool alike = left.region == right.region || (in_packet(left) && in_packet(right));
    if (is_64(insn) && subtracts && alike) {
      return number(left.bits - right.bits);
    }
    refuse(fmt::format("computes with {} and {}", name_of(left.region), name_of(right.region)));
    return left;
  }

  // Control.

  void jump(const Insn& insn) {
    const bool wide = (insn.opcode & opcode::kClassMask) == opcode::kJmp;
    const bool by_register = (insn.opcode & opcode::kSourceReg) != 0;
    switch (insn.opcode & opcode::kOpMask) {
      case opcode::kJa: wide && !by_register ? go(insn.offset) : bad_opcode(insn); break;
      case opcode::kJcond:  // may_goto, which the kernel takes after very many trips: go on
        if (!wide || by_register) {
          bad_opcode(insn);
        }
        break;
      case opcode::kCall: wide && !by_register ? call_helper(insn) : bad_opcode(insn); break;
      case opcode::kExit: wide && !by_register ? void(read(0)) : bad_opcode(insn); break;
      default:
        if (holds(insn, wide)) {
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

  bool holds(const Insn& insn, bool wide) {
    const Value left = read(insn.registers & 0xf);
    const Value right = source(insn);
    const bool numbers = left.is_number() && right.is_number();
    const bool ordered = (insn.opcode & opcode::kOpMask) != static_cast<int>(Cmp::Any);
    if (!numbers && !(wide && ordered && in_packet(left) && in_packet(right))) {
      refuse(fmt::format("compares {} with {}", name_of(left.region), name_of(right.region)));
      return false;
    }
    return accept(compare(insn, left.bits, right.bits));
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
        accept(place("packet", from.bits, kPacketAddress, packet_.size(), bytes.bits));
    const auto copied =
        error_ ? OrReason<void>() : stack_.copy(to.bits, packet_.subspan(source, bytes.bits));
    if (!copied) {
      refuse(copied.error());
    }
  }

  std::span<const Insn> insns_;
  std::span<const std::uint8_t> packet_;
  const EntryState& entry_;
  std::array<Value, 11> registers_ = {};
  StackMemory stack_;
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
