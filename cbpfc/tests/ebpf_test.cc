// SPDX-License-Identifier: BSD-3-Clause

#include <cbpfc/ebpf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace cbpfc::ebpf {
namespace {

TEST(Ebpf, EncodesAsTheInstructionSetSays) {
  const struct {
    Insn insn;
    std::uint64_t bytes;  // little-endian: immediate, offset, registers, opcode
  } cases[] = {
      {mov(Reg::R6, Reg::R1), 0x00000000000016bf},
      {mov(Reg::R0, -1), 0xffffffff000000b7},
      {mov32(Reg::R0, 0x80000000), 0x80000000000000b4},
      {alu(Alu::Add, Reg::R2, 14), 0x0000000e00000207},
      {alu32(Alu::And, Reg::R5, 0xfU), 0x0000000f00000554},
      {alu32(Alu::Xor, Reg::R4, Reg::R5), 0x00000000000054ac},
      {neg32(Reg::R4), 0x0000000000000484},
      {from_be(Reg::R4, 16), 0x00000010000004dc},
      {load(Width::Half, Reg::R4, Reg::R2, 12), 0x00000000000c2469},
      {store(Width::Word, Reg::R10, -4, Reg::R4), 0x00000000fffc4a63},
      {store(Width::Double, Reg::R10, -8, 7), 0x00000007fff80a7a},
      {call(12), 0x0000000c00000085},
      {call_kernel_function(12), 0x0000000c00002085},
      {exit_insn(), 0x0000000000000095},
  };
  for (const auto& c : cases) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, &c.insn, sizeof(bytes));
    EXPECT_EQ(bytes, c.bytes) << print({c.insn});
  }
}

TEST(Ebpf, ResolvesLabelsBothWaysAndAcrossMapLoads) {
  Assembly inner;
  inner.label("inner");
  inner.jump_if32(Cmp::Equal, Reg::R1, 7U, "out");
  Assembly code;
  code.jump("inner");
  code.add_map_fd(Reg::R1, 5);
  code.append(inner);
  code.jump("inner");
  code.label("out");
  code.add(exit_insn());
  const auto insns = code.assemble();
  ASSERT_TRUE(insns);
  EXPECT_EQ(print(*insns),
            "   0: (05) goto pc+2\n"
            "   1: (18) r1 = map[fd:5]\n"
            "   3: (16) if w1 == 7 goto pc+1\n"
            "   4: (05) goto pc-2\n"
            "   5: (95) exit\n");
}

// Source: Linux v6.18 include/uapi/linux/bpf.h BPF_ATOMIC, BPF_FETCH, BPF_CMPXCHG, BPF_PSEUDO_MAP_VALUE.
TEST(Ebpf, AtomicOperationsAndMapValues) {
  Assembly code;
  code.add_map_value(Reg::R1, 9, 64);
  code.add(atomic(Atomic::Add, Reg::R1, 8, Reg::R2));
  code.add(atomic(Atomic::FetchAdd, Reg::R1, 0, Reg::R2));
  code.add(atomic(Atomic::CompareExchange, Reg::R1, -8, Reg::R3));
  const auto insns = code.assemble();
  ASSERT_TRUE(insns);
  EXPECT_EQ(*insns, (std::vector<Insn>{
                        {.opcode = 0x18, .registers = 0x21, .offset = 0, .immediate = 9},
                        {.opcode = 0, .registers = 0, .offset = 0, .immediate = 64},
                        {.opcode = 0xdb, .registers = 0x21, .offset = 8, .immediate = 0},
                        {.opcode = 0xdb, .registers = 0x21, .offset = 0, .immediate = 1},
                        {.opcode = 0xdb, .registers = 0x31, .offset = -8, .immediate = 0xf1}}));
  EXPECT_EQ(print(*insns),
            "   0: (18) r1 = map[fd:9][0]+64\n"
            "   2: (db) lock *(u64 *)(r1 +8) += r2\n"
            "   3: (db) r2 = lock fetch *(u64 *)(r1 +0) += r2\n"
            "   4: (db) r0 = lock compare *(u64 *)(r1 -8) with r0, exchange r3\n");
}

/// "if r1 < 7 goto yes; goto no; yes: w0 = 1; no: exit", and whether the branch may be turned.
std::string branch_over_goto(Cmp condition, bool may_turn, bool goto_is_a_target = false) {
  Assembly code;
  code.jump_if(condition, Reg::R1, 7, "yes");
  code.label("goto");
  code.jump("no");
  if (may_turn) {
    code.allow_turning();
  }
  code.label("yes");
  code.add(mov32(Reg::R0, 1U));
  if (goto_is_a_target) {
    code.jump_if(Cmp::Equal, Reg::R2, 0, "goto");
  }
  code.label("no");
  code.add(exit_insn());
  return print(*code.assemble());
}

TEST(Ebpf, TurnsBranchesThatMayBe) {
  EXPECT_EQ(branch_over_goto(Cmp::Less, true),
            "   0: (35) if r1 >= 7 goto pc+1\n"
            "   1: (b4) w0 = 1\n"
            "   2: (95) exit\n");
  const std::string as_it_was =
      "goto pc+1\n"
      "   1: (05) goto pc+1\n"
      "   2: (b4) w0 = 1\n"
      "   3: (95) exit\n";
  EXPECT_EQ(branch_over_goto(Cmp::Less, false), "   0: (a5) if r1 < 7 " + as_it_was);
  EXPECT_EQ(branch_over_goto(Cmp::Any, true), "   0: (45) if r1 & 7 " + as_it_was);
}

TEST(Ebpf, TurnsNoBranchOverAGotoThatIsATarget) {
  EXPECT_EQ(branch_over_goto(Cmp::Less, true, true),
            "   0: (a5) if r1 < 7 goto pc+1\n"
            "   1: (05) goto pc+2\n"
            "   2: (b4) w0 = 1\n"
            "   3: (15) if r2 == 0 goto pc-3\n"
            "   4: (95) exit\n");
}

TEST(Ebpf, RefusesUnknownAndDoubleLabels) {
  Assembly unknown;
  unknown.jump("nowhere");
  EXPECT_EQ(unknown.assemble().error().message,
            "assemble: label \"nowhere\" is jumped to but not defined");
  Assembly twice;
  twice.label("here");
  twice.label("here");
  EXPECT_EQ(twice.assemble().error().message, "assemble: label \"here\" is defined twice");
}

/// Follows jumps from `pc` until an instruction that is not an unconditional jump.
std::size_t landing(const std::vector<Insn>& insns, std::size_t pc) {
  while (pc < insns.size() && insns[pc].opcode == 0x05) {
    pc = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(pc) + 1 + insns[pc].offset);
  }
  return pc;
}

/// Whether every instruction can be reached, as the verifier wants it.
bool all_reachable(const std::vector<Insn>& insns) {
  std::vector<bool> seen(insns.size());
  std::vector<std::size_t> open = {0};
  std::size_t count = 0;
  while (!open.empty()) {
    const std::size_t pc = open.back();
    open.pop_back();
    if (seen[pc]) {
      continue;
    }
    seen[pc] = true;
    ++count;
    const Insn& insn = insns[pc];
    const bool is_jump = (insn.opcode & 7) == 5 || (insn.opcode & 7) == 6;
    if (is_jump && insn.opcode != 0x95) {
      open.push_back(static_cast<std::size_t>(static_cast<std::ptrdiff_t>(pc) + 1 + insn.offset));
    }
    if (insn.opcode != 0x95 && insn.opcode != 0x05) {
      open.push_back(pc + 1);
    }
  }
  return count == insns.size();
}

TEST(Ebpf, FarJumpsGoByIslandsBothWays) {
  // Every 1,000th instruction jumps to one of two ends, 100,000 instructions apart; instruction i
  // is marked with the immediate i, so that it can be told after others were inserted.
  constexpr std::uint32_t kCount = 100000;
  Assembly code;
  code.label("start");
  code.add(mov32(Reg::R1, kCount + 1));
  for (std::uint32_t i = 0; i < kCount; ++i) {
    code.add(mov32(Reg::R0, i));
    if (i % 1000 == 0) {
      code.jump_if32(Cmp::Equal, Reg::R0, i, i % 2000 == 0 ? "start" : "end");
    }
  }
  code.label("end");
  code.add(mov32(Reg::R1, kCount + 2));
  code.add(exit_insn());
  const auto insns = code.assemble();
  ASSERT_TRUE(insns);
  EXPECT_TRUE(all_reachable(*insns));
  std::uint32_t expected = 0;
  for (std::size_t pc = landing(*insns, 1); pc < insns->size(); pc = landing(*insns, pc + 1)) {
    const Insn& insn = (*insns)[pc];
    if (insn.opcode == 0x16) {
      const auto target =
          static_cast<std::size_t>(static_cast<std::ptrdiff_t>(pc) + 1 + insn.offset);
      ASSERT_LT(target, insns->size());
      EXPECT_EQ((*insns)[landing(*insns, target)].immediate,
                static_cast<int>(kCount) + (insn.immediate % 2000 == 0 ? 1 : 2));
    } else if (expected < kCount) {
      ASSERT_EQ(insn.immediate, static_cast<int>(expected))
          << "ordinary flow was disturbed at " << pc;
      ++expected;
    }
  }
  EXPECT_EQ(expected, kCount);
}

/// A list as long as the kernel takes, each entry jumping to both ends and to an entry of its own
/// far behind: every jump arrives, and it takes no time to speak of.
TEST(Ebpf, IslandsOfManyTargets) {
  constexpr std::uint32_t kEntries = 200000;
  constexpr std::uint32_t kApart = 40000;
  Assembly code;
  code.label("start");
  code.add(mov32(Reg::R1, kEntries));
  for (std::uint32_t i = 0; i < kEntries; ++i) {
    if (i % 10 == 5 && i > kApart) {
      code.label(std::to_string(i));
    }
    code.add(mov32(Reg::R0, i));
    if (i % 10 == 5) {
      code.jump_if32(Cmp::Equal, Reg::R0, i,
                     i + kApart < kEntries ? std::to_string(i + kApart) : "start");
    }
  }
  code.add(exit_insn());
  const auto insns = code.assemble();
  ASSERT_TRUE(insns) << insns.error().message;
  std::uint32_t jumps = 0;
  for (std::size_t pc = 0; pc < insns->size(); ++pc) {
    const Insn& insn = (*insns)[pc];
    // Of this many branches some are turned: a jump around a jump (ebpf_pending.cc).
    const bool is_turned = insn.opcode == 0x56;
    if (insn.opcode == 0x16 || is_turned) {
      ++jumps;
      const auto target =
          is_turned ? pc + 1
                    : static_cast<std::size_t>(static_cast<std::ptrdiff_t>(pc) + 1 + insn.offset);
      const auto from = static_cast<std::uint32_t>(insn.immediate);
      const std::uint32_t wanted = from + kApart < kEntries ? from + kApart : kEntries;
      ASSERT_EQ((*insns)[landing(*insns, target)].immediate, static_cast<int>(wanted)) << pc;
    }
  }
  EXPECT_EQ(jumps, kEntries / 10);
  EXPECT_TRUE(all_reachable(*insns));
}

/// Branches to the end, more than the verifier keeps: they are turned to go on behind a jump there, but no more of
/// them than is needed.
TEST(Ebpf, BranchesAreTurnedWhereTheVerifierWouldKeepTooMany) {
  const auto list = [](std::uint32_t tests) {
    Assembly code;
    for (std::uint32_t i = 0; i < tests; ++i) {
      code.jump_if32(Cmp::Equal, Reg::R1, i, "end");
      code.add(mov32(Reg::R0, i));
    }
    code.label("end");
    code.add(exit_insn());
    return code.assemble().value();
  };
  EXPECT_EQ(list(8000).size(), 2U * 8000 + 1) << "left as they are";
  const std::vector<Insn> turned = list(9000);
  const std::size_t jumps = turned.size() - (2U * 9000 + 1);
  EXPECT_GE(jumps, 1000U);
  EXPECT_LT(jumps, 9000U);
  EXPECT_EQ(turned[0].opcode, 0x56) << "jne";
  EXPECT_EQ(turned[0].offset, 1);
  EXPECT_EQ(landing(turned, 1), turned.size() - 1);
  EXPECT_TRUE(all_reachable(turned));
}

/// Blocks that end in a jump, so that nobody walks into an island.
TEST(Ebpf, IslandsBetweenJumpsAreReachable) {
  constexpr std::uint32_t kBlocks = 100000;
  Assembly list;
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    list.jump_if32(Cmp::NotEqual, Reg::R1, i, std::to_string(i));
    list.add(mov32(Reg::R0, i));
    list.jump("end");
    list.label(std::to_string(i));
  }
  list.label("end");
  list.add(exit_insn());
  const auto placed = list.assemble();
  ASSERT_TRUE(placed) << placed.error().message;
  EXPECT_TRUE(all_reachable(*placed));
}

TEST(Ebpf, RefusesMoreThanTheKernelTakes) {
  Assembly code;
  for (std::size_t i = 0; i < kMaxInsns - 1; ++i) {
    code.add(mov32(Reg::R0, 0U));
  }
  code.add(exit_insn());
  EXPECT_TRUE(code.assemble());
  code.add(exit_insn());
  const auto insns = code.assemble();
  ASSERT_FALSE(insns);
  EXPECT_EQ(insns.error().code, Errc::TooLarge);
  EXPECT_EQ(insns.error().message,
            "assemble: the program has 1000001 instructions, the kernel takes at most 1000000; " +
                std::string(kHowToShorten));
}

TEST(Ebpf, RefusesMoreDistantTargetsThanIslandsServe) {
  constexpr std::uint32_t kTargets = 50000;
  Assembly code;
  for (std::uint32_t i = 0; i < kTargets; ++i) {
    code.jump_if32(Cmp::Equal, Reg::R0, i, std::to_string(i));
  }
  for (std::uint32_t i = 0; i < kTargets; ++i) {
    code.label(std::to_string(i));
    code.add(mov32(Reg::R0, i));
  }
  code.add(exit_insn());
  const auto insns = code.assemble();
  ASSERT_FALSE(insns);
  EXPECT_EQ(insns.error().code, Errc::TooLarge);
  EXPECT_TRUE(insns.error().message.starts_with("assemble: too many jumps further than 30000"))
      << insns.error().message;
}

}  // namespace
}  // namespace cbpfc::ebpf
