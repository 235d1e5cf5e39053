// SPDX-License-Identifier: BSD-3-Clause
//
// Encodes eBPF instructions and collects them in an Assembly; ebpf_jumps.h has what resolves
// its jumps.
//
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst.
// Tested by: ebpf_test.cc.

#include <cbpfc/ebpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "cbpfc/emit/ebpf_jumps.h"
#include "cbpfc/emit/ebpf_opcodes.h"

namespace cbpfc::ebpf {
namespace {

std::uint8_t registers(Reg dst, Reg src = Reg::R0) {
  return static_cast<std::uint8_t>(static_cast<unsigned>(dst) | static_cast<unsigned>(src) << 4);
}

Insn make(int code, std::uint8_t regs, std::int16_t offset, std::int32_t immediate) {
  return Insn{.opcode = static_cast<std::uint8_t>(code),
              .registers = regs,
              .offset = offset,
              .immediate = immediate};
}

/// The bits of an operation, a condition or a width.
template <typename T>
int bits(T part) {
  return static_cast<int>(part);
}

}  // namespace

Insn alu(Alu op, Reg dst, Reg src) {
  return make(opcode::kAlu64 | opcode::kSourceReg | bits(op), registers(dst, src), 0, 0);
}
Insn alu(Alu op, Reg dst, std::int32_t immediate) {
  return make(opcode::kAlu64 | bits(op), registers(dst), 0, immediate);
}
Insn alu32(Alu op, Reg dst, Reg src) {
  return make(opcode::kAlu32 | opcode::kSourceReg | bits(op), registers(dst, src), 0, 0);
}
Insn alu32(Alu op, Reg dst, std::uint32_t immediate) {
  return make(opcode::kAlu32 | bits(op), registers(dst), 0, static_cast<std::int32_t>(immediate));
}
Insn mov(Reg dst, Reg src) {
  return alu(Alu::Mov, dst, src);
}
Insn mov(Reg dst, std::int32_t immediate) {
  return alu(Alu::Mov, dst, immediate);
}
Insn mov32(Reg dst, Reg src) {
  return alu32(Alu::Mov, dst, src);
}
Insn mov32(Reg dst, std::uint32_t immediate) {
  return alu32(Alu::Mov, dst, immediate);
}
Insn neg32(Reg dst) {
  return make(opcode::kAlu32 | opcode::kNeg, registers(dst), 0, 0);
}
Insn from_be(Reg dst, int width_bits) {
  return make(opcode::kAlu32 | opcode::kEnd | opcode::kToBigEndian, registers(dst), 0, width_bits);
}

Insn load(Width width, Reg dst, Reg base, std::int16_t offset) {
  return make(opcode::kLdx | opcode::kMem | bits(width), registers(dst, base), offset, 0);
}
Insn store(Width width, Reg base, std::int16_t offset, Reg src) {
  return make(opcode::kStx | opcode::kMem | bits(width), registers(base, src), offset, 0);
}
Insn store(Width width, Reg base, std::int16_t offset, std::int32_t immediate) {
  return make(opcode::kSt | opcode::kMem | bits(width), registers(base), offset, immediate);
}

Insn atomic(Atomic op, Reg base, std::int16_t offset, Reg src) {
  return make(opcode::kStx | opcode::kAtomic | bits(Width::Double), registers(base, src), offset,
              static_cast<int>(op));
}

Insn call(std::int32_t helper) {
  return make(opcode::kJmp | opcode::kCall, 0, 0, helper);
}
Insn call_kernel_function(std::int32_t btf_id) {
  constexpr std::uint8_t kPseudoKernelFunction =
      2;  // BPF_PSEUDO_KFUNC_CALL, in the source register
  return make(opcode::kJmp | opcode::kCall, kPseudoKernelFunction << 4U, 0, btf_id);
}
Insn exit_insn() {
  return make(opcode::kJmp | opcode::kExit, 0, 0, 0);
}

void Assembly::add(const Insn& insn) {
  insns_.push_back(insn);
}

void Assembly::add_map_fd(Reg dst, int map_fd) {
  insns_.push_back(make(opcode::kLoadImm64, registers(dst, opcode::kPseudoMapFd), 0, map_fd));
  insns_.push_back(Insn{});
}

void Assembly::add_map_value(Reg dst, int map_fd, std::uint32_t offset_bytes) {
  insns_.push_back(make(opcode::kLoadImm64, registers(dst, opcode::kPseudoMapValue), 0, map_fd));
  insns_.push_back(make(0, 0, 0, static_cast<std::int32_t>(offset_bytes)));
}

void Assembly::add_constant64(Reg dst, std::uint64_t value) {
  insns_.push_back(
      make(opcode::kLoadImm64, registers(dst), 0, static_cast<std::int32_t>(value & 0xffffffff)));
  insns_.push_back(Insn{.opcode = 0,
                        .registers = 0,
                        .offset = 0,
                        .immediate = static_cast<std::int32_t>(value >> 32)});
}

void Assembly::label(std::string name) {
  labels_.push_back({.name = std::move(name), .insn = insns_.size()});
}

void Assembly::add_jump(const Insn& insn, std::string target) {
  jumps_.push_back({.insn = insns_.size(), .target = std::move(target), .may_turn = false});
  insns_.push_back(insn);
}

void Assembly::jump(std::string target) {
  add_jump(make(opcode::kJmp | opcode::kJa, 0, 0, 0), std::move(target));
}
void Assembly::jump_if(Cmp condition, Reg left, Reg right, std::string target) {
  add_jump(make(opcode::kJmp | opcode::kSourceReg | bits(condition), registers(left, right), 0, 0),
           std::move(target));
}
void Assembly::jump_if(Cmp condition, Reg left, std::int32_t right, std::string target) {
  add_jump(make(opcode::kJmp | bits(condition), registers(left), 0, right), std::move(target));
}
void Assembly::jump_if32(Cmp condition, Reg left, Reg right, std::string target) {
  add_jump(
      make(opcode::kJmp32 | opcode::kSourceReg | bits(condition), registers(left, right), 0, 0),
      std::move(target));
}
void Assembly::jump_if32(Cmp condition, Reg left, std::uint32_t right, std::string target) {
  add_jump(
      make(opcode::kJmp32 | bits(condition), registers(left), 0, static_cast<std::int32_t>(right)),
      std::move(target));
}

void Assembly::remove(const std::vector<std::size_t>& places) {
  const auto moved = [&](std::size_t insn) {
    const auto next = std::ranges::lower_bound(places, insn);
    return insn - static_cast<std::size_t>(next - places.begin());
  };
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::size_t end = i + 1 < places.size() ? places[i + 1] : insns_.size();
    std::copy(insns_.begin() + static_cast<std::ptrdiff_t>(places[i] + 1),
              insns_.begin() + static_cast<std::ptrdiff_t>(end),
              insns_.begin() + static_cast<std::ptrdiff_t>(moved(places[i] + 1)));
  }
  insns_.resize(insns_.size() - places.size());
  for (JumpTo& jump : jumps_) {
    jump.insn = moved(jump.insn);
  }
  for (Label& label : labels_) {
    label.insn = moved(label.insn);
  }
}

void Assembly::append(const Assembly& other) {
  const std::size_t base = insns_.size();
  insns_.insert(insns_.end(), other.insns_.begin(), other.insns_.end());
  for (const JumpTo& jump : other.jumps_) {
    jumps_.push_back({.insn = base + jump.insn, .target = jump.target, .may_turn = jump.may_turn});
  }
  for (const Label& label : other.labels_) {
    labels_.push_back({.name = label.name, .insn = base + label.insn});
  }
}

void Assembly::allow_turning() {
  for (JumpTo& jump : jumps_) {
    jump.may_turn = !jump.is_kept;
  }
}

void Assembly::keep_last_branch() {
  jumps_.back().is_kept = true;
}

bool Assembly::jumps_to(std::string_view label) const {
  return std::ranges::any_of(jumps_, [&](const JumpTo& jump) { return jump.target == label; });
}

Result<std::vector<Insn>> Assembly::assemble() const {
  std::unordered_map<std::string_view, std::size_t> numbers;
  numbers.reserve(labels_.size());
  Unplaced program{.insns = insns_, .jumps = {}, .labels = {}};
  program.labels.reserve(labels_.size());
  for (const Label& label : labels_) {
    if (!numbers.emplace(label.name, program.labels.size()).second) {
      return fail(Errc::InvalidArgument,
                  fmt::format("assemble: label \"{}\" is defined twice", label.name));
    }
    program.labels.push_back(label.insn);
  }
  program.jumps.reserve(jumps_.size());
  for (const JumpTo& jump : jumps_) {
    const auto number = numbers.find(jump.target);
    if (number == numbers.end()) {
      return fail(Errc::InvalidArgument,
                  fmt::format("assemble: label \"{}\" is jumped to but not defined", jump.target));
    }
    program.jumps.push_back(
        {.insn = jump.insn, .label = number->second, .may_turn = jump.may_turn});
  }
  turn_branches(program);
  remove_empty_jumps(program);
  limit_pending(program);
  if (program.insns.size() > kMaxInsns) {
    return fail(
        Errc::TooLarge,
        fmt::format("assemble: the program has {} instructions, the kernel takes at most {}; {}",
                    program.insns.size(), kMaxInsns, kHowToShorten));
  }
  return place(std::move(program));
}

}  // namespace cbpfc::ebpf
