// SPDX-License-Identifier: BSD-3-Clause
//
// What programs do when a slot is empty, of instructions as the kernel shows them.

#include "xdpcap/hook/tail_call_use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "xdpcap/tests/hook/tail_call_code.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): programs are written with it
using Ending = TailCallUse::Ending;
using test::Code;
using test::kMap;
using test::kOther;
using test::kOtherHelper;
using test::kTailCallHelper;
using test::with_action;

TEST(TailCallUse, ReturningTheIndexIsAHook) {
  EXPECT_EQ(Code().add(mov(Reg::R3, 2)).tail_call().add(mov(Reg::R0, 2)).add(exit_insn()).ending(),
            Ending::ReturnsIndex);
  EXPECT_EQ(with_action()
                .add(mov(Reg::R3, Reg::R6))
                .tail_call()
                .add(mov32(Reg::R0, Reg::R6))
                .add(exit_insn())
                .ending(),
            Ending::ReturnsIndex);
}

TEST(TailCallUse, ReturningAnotherNumberIsNone) {
  const std::vector<TailCallUse> uses =
      Code().add(mov(Reg::R3, 1)).tail_call().add(mov(Reg::R0, 2)).add(exit_insn()).uses();
  ASSERT_EQ(uses.size(), 1U);
  EXPECT_EQ(uses[0].ending, Ending::ReturnsOther);
  EXPECT_EQ(uses[0].found, "tail-calls slot 1, and returns 2 if the slot is empty");
}

TEST(TailCallUse, AnIndexThatIsCalculatedAndAConstantAreNotTheSame) {
  EXPECT_EQ(with_action()
                .add(mov(Reg::R3, Reg::R6))
                .tail_call()
                .add(mov(Reg::R0, 2))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

TEST(TailCallUse, OtherMapsDoNotCount) {
  EXPECT_TRUE(Code()
                  .add(mov(Reg::R3, 1))
                  .tail_call(kOther)
                  .add(mov(Reg::R0, 2))
                  .add(exit_insn())
                  .uses()
                  .empty());
  EXPECT_TRUE(Code().add(mov(Reg::R0, 2)).add(exit_insn()).uses().empty());
  EXPECT_TRUE(tail_calls_into({}, kMap).empty());
}

TEST(TailCallUse, HiddenHelpersAreToldByTheirMap) {
  EXPECT_EQ(
      Code().add(mov(Reg::R3, 1)).tail_call(kMap, 0).add(mov(Reg::R0, 2)).add(exit_insn()).ending(),
      Ending::ReturnsOther);
}

TEST(TailCallUse, AMapThatIsNotNamedIsUnclear) {
  EXPECT_EQ(Code()
                .add(load(Width::Double, Reg::R2, Reg::R1, 0))
                .add(mov(Reg::R3, 1))
                .add(call(kTailCallHelper))
                .add(mov(Reg::R0, 1))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

// if (byte == 1) drop; else pass: the values meet before the call.
TEST(TailCallUse, ValuesThatMeetStayTheSame) {
  const auto code = [](Reg returned) {
    return with_action()
        .add(mov(Reg::R8, 2))
        .add(mov(Reg::R9, 2))
        .jump_if(Cmp::NotEqual, Reg::R6, 7, "call")
        .add(mov(Reg::R8, 1))
        .label("call")
        .add(mov(Reg::R3, Reg::R8))
        .tail_call()
        .add(mov(Reg::R0, returned))
        .add(exit_insn())
        .ending();
  };
  EXPECT_EQ(code(Reg::R8), Ending::ReturnsIndex);
  // On the way where the index is 1.
  EXPECT_EQ(code(Reg::R9), Ending::ReturnsOther);
}

// Compilers make one tail call of a hook's and a table's, which return the same.
TEST(TailCallUse, WaysThatShareATailCallAreJudgedApart) {
  const auto code = [](std::int32_t other) {
    return with_action()
        .add(mov(Reg::R3, 2))
        .jump_if(Cmp::Equal, Reg::R6, 8, "call")
        .add(mov(Reg::R3, other))
        .label("call")
        .tail_call()
        .add(mov(Reg::R0, 2))
        .add(exit_insn())
        .uses();
  };
  EXPECT_EQ(code(2).at(0).ending, Ending::ReturnsIndex);
  EXPECT_EQ(code(4).at(0).ending, Ending::ReturnsOther);
  EXPECT_EQ(code(4).at(0).found, "tail-calls slot 4, and returns 2 if the slot is empty");
}

TEST(TailCallUse, ABranchMakesASymbolAConstant) {
  const auto code = [](std::int32_t returned) {
    return with_action()
        .jump_if(Cmp::NotEqual, Reg::R6, 3, "out")
        .add(mov(Reg::R3, Reg::R6))
        .tail_call()
        .add(mov(Reg::R0, returned))
        .add(exit_insn())
        .label("out")
        .add(mov(Reg::R0, 2))
        .add(exit_insn())
        .ending();
  };
  EXPECT_EQ(code(3), Ending::ReturnsIndex);
  EXPECT_EQ(code(1), Ending::ReturnsOther);
}

TEST(TailCallUse, EveryWayOutCounts) {
  EXPECT_EQ(with_action()
                .add(mov(Reg::R3, 1))
                .tail_call()
                .jump_if(Cmp::Equal, Reg::R6, 9, "other")
                .add(mov(Reg::R0, 1))
                .add(exit_insn())
                .label("other")
                .add(mov(Reg::R0, 2))
                .add(exit_insn())
                .ending(),
            Ending::ReturnsOther);
}

TEST(TailCallUse, TheStackKeepsValues) {
  const auto code = [](const Insn& between) {
    return with_action()
        .add(store(Width::Word, Reg::R10, -4, Reg::R6))
        .add(load(Width::Word, Reg::R3, Reg::R10, -4))
        .tail_call()
        .add(between)
        .add(load(Width::Word, Reg::R0, Reg::R10, -4))
        .add(exit_insn())
        .ending();
  };
  EXPECT_EQ(code(mov(Reg::R5, 0)), Ending::ReturnsIndex);
  EXPECT_EQ(code(store(Width::Word, Reg::R10, -4, 2)), Ending::Unclear);
  EXPECT_EQ(code(store(Width::Byte, Reg::R10, -3, 2)), Ending::Unclear);
}

TEST(TailCallUse, ThirtyTwoBitsAndBackIsTheSame) {
  EXPECT_EQ(with_action()
                .add(mov(Reg::R3, Reg::R6))
                .add(alu(Alu::Lsh, Reg::R3, 32))
                .add(alu(Alu::Rsh, Reg::R3, 32))
                .tail_call()
                .add(mov(Reg::R0, Reg::R6))
                .add(exit_insn())
                .ending(),
            Ending::ReturnsIndex);
  EXPECT_EQ(with_action()
                .add(mov(Reg::R3, Reg::R6))
                .add(alu(Alu::Lsh, Reg::R3, 31))
                .add(alu(Alu::Rsh, Reg::R3, 31))
                .tail_call()
                .add(mov(Reg::R0, Reg::R6))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

// if r3 >= 5 goto +2; r3 &= 7; call
TEST(TailCallUse, TheKernelsMaskingIsSeenThrough) {
  const auto code = [](std::uint32_t mask) {
    return with_action()
        .load_map(Reg::R2, kMap)
        .add(mov(Reg::R3, Reg::R6))
        .jump_if(Cmp::GreaterEqual, Reg::R3, 5, "behind")
        .add(alu32(Alu::And, Reg::R3, mask))
        .add(call(kTailCallHelper))
        .label("behind")
        .add(mov(Reg::R0, Reg::R6))
        .add(exit_insn())
        .ending();
  };
  EXPECT_EQ(code(7), Ending::ReturnsIndex);
  EXPECT_EQ(code(3), Ending::Unclear);
}

TEST(TailCallUse, DoingMoreThanReturningIsUnclear) {
  const auto code = [](const Insn& between) {
    return with_action()
        .add(mov(Reg::R3, Reg::R6))
        .tail_call()
        .add(between)
        .add(mov(Reg::R0, Reg::R6))
        .add(exit_insn())
        .ending();
  };
  EXPECT_EQ(code(load(Width::Byte, Reg::R1, Reg::R7, 0)), Ending::ReturnsIndex);
  EXPECT_EQ(code(call(kOtherHelper)), Ending::Unclear);
  EXPECT_EQ(code(store(Width::Byte, Reg::R7, 0, 1)), Ending::Unclear);
  EXPECT_EQ(code(atomic(Atomic::Add, Reg::R7, 0, Reg::R6)), Ending::Unclear);
}

// r6 = the action; loop { if (..) tail call; r6 = another }
TEST(TailCallUse, LoopsDoNotMixUpValues) {
  EXPECT_EQ(with_action()
                .label("again")
                .add(mov(Reg::R8, Reg::R6))
                .add(load(Width::Byte, Reg::R6, Reg::R7, 3))
                .jump_if(Cmp::Greater, Reg::R6, 4, "again")
                .add(mov(Reg::R3, Reg::R6))
                .tail_call()
                .add(mov(Reg::R0, Reg::R8))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
  EXPECT_EQ(with_action()
                .label("again")
                .add(mov(Reg::R8, Reg::R6))
                .add(mov(Reg::R9, Reg::R6))
                .add(load(Width::Byte, Reg::R6, Reg::R7, 3))
                .jump_if(Cmp::Greater, Reg::R6, 4, "again")
                .add(mov(Reg::R3, Reg::R9))
                .tail_call()
                .add(mov(Reg::R0, Reg::R8))
                .add(exit_insn())
                .ending(),
            Ending::ReturnsIndex);
}

TEST(TailCallUse, FunctionsGetTheMapFromTheirCaller) {
  // main: finish(ctx, map, 1); finish: tail call (r2, r3), return r3
  const auto code = [](std::uint32_t map, std::int32_t action) {
    return Code()
        .load_map(Reg::R2, map)
        .add(mov(Reg::R3, 1))
        .call_function(1)
        .add(exit_insn())
        .add(mov(Reg::R6, action))
        .add(call(kTailCallHelper))
        .add(mov(Reg::R0, Reg::R6))
        .add(exit_insn());
  };
  EXPECT_EQ(code(kMap, 1).ending(), Ending::ReturnsIndex);
  EXPECT_EQ(code(kMap, 2).ending(), Ending::ReturnsOther);
  EXPECT_TRUE(code(kOther, 2).uses().empty());
}

TEST(TailCallUse, FunctionsThatAreGivenDifferentMapsAreUnclear) {
  EXPECT_EQ(Code()
                .add(mov(Reg::R6, Reg::R1))
                .load_map(Reg::R2, kMap)
                .call_function(5)
                .add(mov(Reg::R1, Reg::R6))
                .load_map(Reg::R2, kOther)
                .call_function(1)
                .add(exit_insn())
                .add(mov(Reg::R3, 1))
                .add(call(kTailCallHelper))
                .add(mov(Reg::R0, 1))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

TEST(TailCallUse, EachTailCallIsFollowed) {
  const std::vector<TailCallUse> uses = with_action()
                                            .jump_if(Cmp::Equal, Reg::R6, 1, "table")
                                            .add(mov(Reg::R3, Reg::R6))
                                            .tail_call()
                                            .add(mov(Reg::R0, Reg::R6))
                                            .add(exit_insn())
                                            .label("table")
                                            .add(mov(Reg::R3, 4))
                                            .tail_call()
                                            .add(mov(Reg::R0, 2))
                                            .add(exit_insn())
                                            .uses();
  ASSERT_EQ(uses.size(), 2U);
  EXPECT_EQ(uses[0].ending, Ending::ReturnsIndex);
  EXPECT_EQ(uses[1].ending, Ending::ReturnsOther);
}

TEST(TailCallUse, NonsenseIsGivenUp) {
  std::mt19937 random(14);  // NOLINT(cert-msc51-cpp): the same programs each time
  for (int program = 0; program < 20'000; ++program) {
    std::vector<Insn> insns(1 + random() % 40);
    for (Insn& insn : insns) {
      insn = {.opcode = static_cast<std::uint8_t>(random()),
              .registers = static_cast<std::uint8_t>(random()),
              .offset = static_cast<std::int16_t>(static_cast<int>(random() % 24) - 8),
              .immediate = static_cast<std::int32_t>(random() % 16)};
    }
    for (const TailCallUse& use : tail_calls_into(insns, kMap)) {
      EXPECT_FALSE(use.found.empty());
    }
  }
}

}  // namespace
}  // namespace xdpcap
