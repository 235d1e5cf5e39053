// SPDX-License-Identifier: BSD-3-Clause
//
// eBPF: instructions, and a list of them in which jumps name their target (Assembly).
//
//     Assembly code;
//     code.add(mov(Reg::R0, 1));
//     code.jump_if(Cmp::Equal, Reg::R1, 0, "out");
//     code.add(mov(Reg::R0, 2));
//     code.label("out");
//     code.add(exit_insn());
//     std::vector<Insn> insns = TRY(code.assemble());
//
// Labels are what lets a fragment be written before it is known where it goes: compile_ebpf()
// returns an Assembly whose result label the caller defines after appending it to a program of its
// own.
//
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cbpfc::ebpf {

/// Most instructions a program may have, and most the verifier looks at.  Source: Linux v6.18
/// include/linux/bpf.h BPF_COMPLEXITY_LIMIT_INSNS.
inline constexpr std::size_t kMaxInsns = 1'000'000;

/// What to do about a filter that makes a program too long, for messages.
inline constexpr std::string_view kHowToShorten =
    "write networks and port ranges for values that lie together, or divide the filter and run one part after "
    "the other";

/// R0 result, R1..R5 arguments, R6..R9 kept across calls, R10 frame pointer (read only).
enum class Reg : std::uint8_t { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 };

/// One instruction in the layout of the kernel's struct bpf_insn on a little-endian machine.
struct Insn {
  std::uint8_t opcode = 0;
  std::uint8_t registers = 0;  ///< destination in the low four bits, source in the high four
  std::int16_t offset = 0;
  std::int32_t immediate = 0;
  bool operator==(const Insn&) const = default;
};
static_assert(sizeof(Insn) == 8);

enum class Alu : std::uint8_t {
  Add = 0x00,
  Sub = 0x10,
  Mul = 0x20,
  Div = 0x30,
  Or = 0x40,
  And = 0x50,
  Lsh = 0x60,
  Rsh = 0x70,
  Mod = 0x90,
  Xor = 0xa0,
  Mov = 0xb0,
  Arsh = 0xc0,
};
/// Unsigned comparisons; Any is "a & b is not zero".
enum class Cmp : std::uint8_t {
  Equal = 0x10,
  Greater = 0x20,
  GreaterEqual = 0x30,
  Any = 0x40,
  NotEqual = 0x50,
  Less = 0xa0,
  LessEqual = 0xb0,
};
enum class Width : std::uint8_t { Byte = 0x10, Half = 0x08, Word = 0x00, Double = 0x18 };

// Arithmetic on 64 bits, and on 32 bits with the upper half of dst cleared.
Insn alu(Alu op, Reg dst, Reg src);
Insn alu(Alu op, Reg dst, std::int32_t immediate);
Insn alu32(Alu op, Reg dst, Reg src);
Insn alu32(Alu op, Reg dst, std::uint32_t immediate);
Insn mov(Reg dst, Reg src);
Insn mov(Reg dst, std::int32_t immediate);
Insn mov32(Reg dst, Reg src);
Insn mov32(Reg dst, std::uint32_t immediate);
/// dst = -dst on 32 bits.
Insn neg32(Reg dst);
/// Big-endian to host order; `bits` is 16 or 32, the bits above become 0.
Insn from_be(Reg dst, int bits);

Insn load(Width width, Reg dst, Reg base, std::int16_t offset);
Insn store(Width width, Reg base, std::int16_t offset, Reg src);
Insn store(Width width, Reg base, std::int16_t offset, std::int32_t immediate);

/// Atomic operations on 64 bits in memory; all but Add leave the old value in a register (Linux 5.12).
enum class Atomic : std::uint8_t {
  Add = 0x00,              ///< memory += src
  FetchAdd = 0x01,         ///< memory += src; src = the old value
  CompareExchange = 0xf1,  ///< if memory is R0 it becomes src; R0 = the old value
};
Insn atomic(Atomic op, Reg base, std::int16_t offset, Reg src);

Insn call(std::int32_t helper);
/// Calls one of the kernel's own functions that programs may call (kfunc), by its number in the kernel's type
/// information.
Insn call_kernel_function(std::int32_t btf_id);
Insn exit_insn();

class Assembly {
 public:
  /// Appends an instruction that does not jump.
  void add(const Insn& insn);
  /// Appends the two instructions that load the map behind a descriptor into `dst`.
  void add_map_fd(Reg dst, int map_fd);
  /// Appends the two instructions that load the address of a map's only value plus `offset_bytes` (Linux 5.2).
  void add_map_value(Reg dst, int map_fd, std::uint32_t offset_bytes);
  /// Appends the two instructions that load 64 bits into `dst`.
  void add_constant64(Reg dst, std::uint64_t value);
  /// Names the next instruction.  A label is defined once; assemble() reports a second definition.
  void label(std::string name);
  void jump(std::string target);
  void jump_if(Cmp condition, Reg left, Reg right, std::string target);
  /// Compares 64 bits with the sign-extended immediate.
  void jump_if(Cmp condition, Reg left, std::int32_t right, std::string target);
  /// Compares the low 32 bits (Linux 5.1).
  void jump_if32(Cmp condition, Reg left, Reg right, std::string target);
  void jump_if32(Cmp condition, Reg left, std::uint32_t right, std::string target);

  /// Takes out the instructions at `places`, in ascending order, none of which is a jump.
  void remove(const std::vector<std::size_t>& places);

  /// Appends all of `other`; its labels must not be defined here.
  void append(const Assembly& other);

  /// Lets assemble() turn the branches appended so far, "if a == b goto here; goto there; here:" into
  /// "if a != b goto there; here:".  Not for code that depends on which way the verifier explores first.
  void allow_turning();
  /// Keeps the last branch from being turned by allow_turning().
  void keep_last_branch();

  std::size_t size() const { return insns_.size(); }
  /// Whether some jump leads to `label`.
  bool jumps_to(std::string_view label) const;

  /// The program with every jump resolved.
  ///
  /// A jump goes 30,000 instructions at most; where one must go further, jumps are chained on the way,
  /// so any length up to kMaxInsns assembles. Errors: Errc::InvalidArgument for a label without
  /// definition or with two; Errc::TooLarge for more than kMaxInsns instructions, or more than some
  /// 10,000 distinct targets that are out of reach.
  Result<std::vector<Insn>> assemble() const;

 private:
  struct JumpTo {
    std::size_t insn;
    std::string target;
    bool may_turn = false;
    bool is_kept = false;
  };
  struct Label {
    std::string name;
    std::size_t insn;
  };
  void add_jump(const Insn& insn, std::string target);

  std::vector<Insn> insns_;
  std::vector<JumpTo> jumps_;
  std::vector<Label> labels_;
};

/// A listing, one instruction a line, in the notation of the kernel's verifier and bpftool.
std::string print(const std::vector<Insn>& insns);

}  // namespace cbpfc::ebpf
