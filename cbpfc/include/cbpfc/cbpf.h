// SPDX-License-Identifier: BSD-3-Clause
//
// Classic BPF: the instruction as the kernel and libpcap exchange it (RawInsn), its decoded form
// (Insn, one small struct a kind), and a program that is known to be valid (Filter).
//
// The machine has an accumulator A, an index register X, sixteen 32-bit scratch slots M[0..15], and
// sees one packet.  All arithmetic is unsigned and modulo 2^32; A, X start as 0.  A load outside
// the packet ends the program with 0, and so does a division by X when X is 0.
//
// Filter::decode accepts exactly what SO_ATTACH_FILTER accepts:
//
//     Filter f = TRY(Filter::decode(raw));        // "instruction 3: unknown opcode 0x55"
//     for (const Insn& insn : f.insns()) std::visit(..., insn);
//
// Filter::decode(raw, Accept::Compiler) also takes what only the compiler can do something with:
// programs of any length, and jumps that go backwards (libpcap's "protochain").
//
// Source: Linux v6.18 net/core/filter.c bpf_check_classic(), chk_code_allowed(),
// check_load_and_stores(); McCanne and Jacobson, "The BSD Packet Filter", 1993.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace cbpfc {

/// Most instructions a program may have that goes to the kernel.  Source: Linux include/uapi/linux/bpf_common.h
/// BPF_MAXINSNS.
inline constexpr std::size_t kMaxClassicInsns = 4096;
/// Scratch slots M[0..15].  Source: Linux include/uapi/linux/filter.h BPF_MEMWORDS.
inline constexpr std::uint8_t kScratchSlots = 16;

/// Packet offsets from here up have a meaning of their own in the kernel (0xfffff000: ancillary
/// data, 0xfff00000: from the network header, 0xffe00000: from the link-layer header). Source:
/// Linux include/uapi/linux/filter.h SKF_AD_OFF, SKF_NET_OFF, SKF_LL_OFF.
inline constexpr std::uint32_t kAncillaryOffset = 0xfffff000;
inline constexpr std::uint32_t kNetworkOffset = 0xfff00000;
inline constexpr std::uint32_t kLinkLayerOffset = 0xffe00000;

/// Whether the kernel knows an ancillary load with this absolute offset: kAncillaryOffset and 0, 4, ... 60.
/// Source: Linux include/uapi/linux/filter.h SKF_AD_MAX.
constexpr bool is_ancillary_load(std::uint32_t offset) {
  return offset >= kAncillaryOffset && offset - kAncillaryOffset <= 60 && offset % 4 == 0;
}

/// Whether an absolute offset counts from a header, which the packet's bytes alone do not show.
constexpr bool is_header_relative(std::uint32_t offset) {
  return offset >= kLinkLayerOffset && offset < kAncillaryOffset;
}

/// One instruction in the layout of struct sock_filter and struct bpf_insn of libpcap.
struct RawInsn {
  std::uint16_t code = 0;
  std::uint8_t jt = 0;
  std::uint8_t jf = 0;
  std::uint32_t k = 0;
  bool operator==(const RawInsn&) const = default;
};

enum class Size : std::uint8_t { Byte = 1, Half = 2, Word = 4 };  ///< value: bytes loaded
enum class Register : std::uint8_t { A, X };
enum class AluOp : std::uint8_t { Add, Sub, Mul, Div, Or, And, Lsh, Rsh, Mod, Xor };
enum class Condition : std::uint8_t { Equal, Greater, GreaterEqual, AnyBitSet };

/// Right-hand side of arithmetic and comparisons: X, or the constant `k`.
struct Operand {
  bool is_x = false;
  std::uint32_t k = 0;  ///< 0 when is_x
  bool operator==(const Operand&) const = default;
};

/// dst = value.
struct LoadImmediate {
  Register dst;
  std::uint32_t value;
  bool operator==(const LoadImmediate&) const = default;
};
/// A = P[offset], big-endian, zero-extended.
struct LoadAbsolute {
  Size size;
  std::uint32_t offset;
  bool operator==(const LoadAbsolute&) const = default;
};
/// A = P[X + offset]; the sum wraps at 32 bits, as in the kernel.
struct LoadIndirect {
  Size size;
  std::uint32_t offset;
  bool operator==(const LoadIndirect&) const = default;
};
/// X = 4 * (P[offset] & 0xf), the length of an IPv4 header.
struct LoadHeaderLength {
  std::uint32_t offset;
  bool operator==(const LoadHeaderLength&) const = default;
};
/// dst = length of the packet on the wire.
struct LoadLength {
  Register dst;
  bool operator==(const LoadLength&) const = default;
};
/// A = a fact that is not in the packet's bytes; `offset` counts from kAncillaryOffset (SKF_AD_*).
struct LoadAncillary {
  Size size;  ///< without meaning, kept so that encoding restores the instruction
  std::uint32_t offset;
  bool operator==(const LoadAncillary&) const = default;
};
/// dst = M[slot].
struct LoadScratch {
  Register dst;
  std::uint8_t slot;
  bool operator==(const LoadScratch&) const = default;
};
/// M[slot] = src.
struct StoreScratch {
  Register src;
  std::uint8_t slot;
  bool operator==(const StoreScratch&) const = default;
};
/// A = A op operand.  Shifts by X take the low five bits of X, as in the kernel.
struct Alu {
  AluOp op;
  Operand operand;
  bool operator==(const Alu&) const = default;
};
/// A = -A.
struct Negate {
  bool operator==(const Negate&) const = default;
};
/// dst = the other register.
struct Transfer {
  Register dst;
  bool operator==(const Transfer&) const = default;
};
/// Continues `skip` instructions after the next one; a number with the highest bit set is negative
/// and goes backwards, which only Accept::Compiler lets pass.
struct Jump {
  std::uint32_t skip;
  bool operator==(const Jump&) const = default;

  bool is_backward() const { return skip >> 31 != 0; }
  /// The instruction it continues at, for a jump that is instruction `pc`.
  std::size_t target(std::size_t pc) const {
    return pc + 1 + static_cast<std::size_t>(std::int64_t{static_cast<std::int32_t>(skip)});
  }
};
/// Continues `skip_true` or `skip_false` instructions after the next one.
struct JumpIf {
  Condition condition;
  Operand operand;
  std::uint8_t skip_true;
  std::uint8_t skip_false;
  bool operator==(const JumpIf&) const = default;
};
/// Ends with A.
struct ReturnA {
  bool operator==(const ReturnA&) const = default;
};
/// Ends with a constant; 0 means "no match".
struct ReturnConstant {
  std::uint32_t value;
  bool operator==(const ReturnConstant&) const = default;
};

using Insn = std::variant<LoadImmediate, LoadAbsolute, LoadIndirect, LoadHeaderLength, LoadLength,
                          LoadAncillary, LoadScratch, StoreScratch, Alu, Negate, Transfer, Jump,
                          JumpIf, ReturnA, ReturnConstant>;

/// Decodes one instruction; says nothing about jumps, which need the program.
/// Errors: Errc::InvalidProgram with the reason, without the index.
Result<Insn> decode_insn(const RawInsn& raw);

/// The inverse of decode_insn; fields the kernel ignores come out as 0.
RawInsn encode_insn(const Insn& insn);

/// Whose rules a program must keep.
enum class Accept : std::uint8_t {
  Kernel,    ///< those of SO_ATTACH_FILTER, exactly
  Compiler,  ///< the same, but any length, and unconditional jumps may go backwards
};

/// A classic program that is known to be valid; never empty.
class Filter {
 public:
  /// Decodes and checks `raw`.
  /// Errors: Errc::InvalidProgram, "instruction N: reason", for the first fault in program order.
  static Result<Filter> decode(std::span<const RawInsn> raw, Accept accept = Accept::Kernel);

  const std::vector<Insn>& insns() const { return insns_; }
  std::vector<RawInsn> encode() const;

  /// The first instruction that jumps backwards; nullopt for every program the kernel accepts.
  std::optional<std::size_t> first_backward_jump() const;

  bool operator==(const Filter&) const = default;

 private:
  explicit Filter(std::vector<Insn> insns) : insns_(std::move(insns)) {}
  std::vector<Insn> insns_;
};

}  // namespace cbpfc
