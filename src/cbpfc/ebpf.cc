// SPDX-License-Identifier: BSD-3-Clause
//
// Encodes eBPF instructions and resolves the jumps of an Assembly.
//
// A jump holds a signed 16-bit distance.  Where a target is further away, the jump goes to an
// island on the way instead, a second jump that ordinary flow steps over:
//
//     far:  if r1 == 0 goto far_target          if r1 == 0 goto island
//           ... 40,000 instructions             ... 30,000 instructions
//                                               goto +1
//                                       island: goto far_target
//                                               ... 10,000 instructions
//
// Every far jump to the same target within reach shares the island.  (Linux 6.6 has a jump with a
// 32-bit distance; islands work everywhere and cost only programs of that size.)
//
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst.
// Tested by: ebpf_test.cc.

#include <cbpfc/ebpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>

#include "ebpf_opcodes.h"

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

int bits(Alu op) {
  return static_cast<int>(op);
}
int bits(Cmp condition) {
  return static_cast<int>(condition);
}
int bits(Width width) {
  return static_cast<int>(width);
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

Insn call(std::int32_t helper) {
  return make(opcode::kJmp | opcode::kCall, 0, 0, helper);
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
  jumps_.push_back({.insn = insns_.size(), .target = std::move(target)});
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

void Assembly::append(const Assembly& other) {
  const std::size_t base = insns_.size();
  insns_.insert(insns_.end(), other.insns_.begin(), other.insns_.end());
  for (const JumpTo& jump : other.jumps_) {
    jumps_.push_back({.insn = base + jump.insn, .target = jump.target});
  }
  for (const Label& label : other.labels_) {
    labels_.push_back({.name = label.name, .insn = base + label.insn});
  }
}

namespace {

/// How far from a far jump its island is put: less than a jump's reach, so that the islands of
/// other jumps, inserted later, do not push it out of reach.
constexpr std::ptrdiff_t kIslandDistance = 30000;

/// A jump with its target as a number: instructions move, label numbers do not.
struct ResolvedJump {
  std::size_t insn;
  std::size_t label;
};

struct Layout {
  std::vector<Insn> insns;
  std::vector<ResolvedJump> jumps;
  std::vector<std::size_t> labels;  ///< label number -> instruction

  std::ptrdiff_t distance(const ResolvedJump& jump) const {
    return static_cast<std::ptrdiff_t>(labels[jump.label]) -
           static_cast<std::ptrdiff_t>(jump.insn) - 1;
  }

  static bool in_reach(std::ptrdiff_t distance) {
    return distance >= std::numeric_limits<std::int16_t>::min() &&
           distance <= std::numeric_limits<std::int16_t>::max();
  }

  /// Makes room for two instructions before `at`.  Labels at `at` move behind them.
  void insert_pair(std::size_t at) {
    insns.insert(insns.begin() + static_cast<std::ptrdiff_t>(at), 2, Insn{});
    for (ResolvedJump& jump : jumps) {
      jump.insn += jump.insn >= at ? 2 : 0;
    }
    for (std::size_t& label : labels) {
      label += label >= at ? 2 : 0;
    }
  }

  /// Puts an island for the target of `far` near it and sends every far jump in reach there.
  void add_island(const ResolvedJump& far) {
    const std::size_t target = far.label;
    const bool forward = distance(far) > 0;
    std::size_t at = forward ? far.insn + kIslandDistance : far.insn - kIslandDistance;
    if (insns[at].opcode == 0) {
      ++at;  // never between the halves of a 16-byte load
    }
    insert_pair(at);
    insns[at] = insns[at + 1] = make(opcode::kJmp | opcode::kJa, 0, 0, 0);
    labels.push_back(at + 2);
    jumps.push_back({.insn = at, .label = labels.size() - 1});
    labels.push_back(at + 1);
    for (ResolvedJump& jump : jumps) {
      const ResolvedJump to_island{.insn = jump.insn, .label = labels.size() - 1};
      if (jump.label == target && !in_reach(distance(jump)) && in_reach(distance(to_island))) {
        jump.label = to_island.label;
      }
    }
    jumps.push_back({.insn = at + 1, .label = target});
  }
};

}  // namespace

Result<std::vector<Insn>> Assembly::assemble() const {
  std::unordered_map<std::string_view, std::size_t> numbers;
  Layout layout{.insns = insns_, .jumps = {}, .labels = {}};
  for (const Label& label : labels_) {
    if (!numbers.emplace(label.name, layout.labels.size()).second) {
      return fail(Errc::InvalidArgument,
                  fmt::format("assemble: label \"{}\" is defined twice", label.name));
    }
    layout.labels.push_back(label.insn);
  }
  for (const JumpTo& jump : jumps_) {
    const auto number = numbers.find(jump.target);
    if (number == numbers.end()) {
      return fail(Errc::InvalidArgument,
                  fmt::format("assemble: label \"{}\" is jumped to but not defined", jump.target));
    }
    layout.jumps.push_back({.insn = jump.insn, .label = number->second});
  }

  const auto is_far = [&](const ResolvedJump& jump) {
    return !Layout::in_reach(layout.distance(jump));
  };
  for (auto far = std::ranges::find_if(layout.jumps, is_far); far != layout.jumps.end();
       far = std::ranges::find_if(layout.jumps, is_far)) {
    layout.add_island(ResolvedJump(*far));
  }
  for (const ResolvedJump& jump : layout.jumps) {
    layout.insns[jump.insn].offset = static_cast<std::int16_t>(layout.distance(jump));
  }
  return std::move(layout.insns);
}

}  // namespace cbpfc::ebpf
