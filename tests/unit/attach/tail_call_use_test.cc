// SPDX-License-Identifier: BSD-3-Clause
//
// What programs do when a slot is empty, of instructions as the kernel shows them.

#include "attach/tail_call_use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "attach/value_flow.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): programs are written with it
using Ending = TailCallUse::Ending;

constexpr std::uint32_t kMap = 12;
constexpr std::uint32_t kOther = 13;
constexpr std::int32_t kTailCallHelper = 12;
constexpr std::int32_t kOtherHelper = 5;

/// A program under construction, with what cbpfc has no need of.
struct Code {
  Assembly assembly;

  Code& add(const Insn& insn) {
    assembly.add(insn);
    return *this;
  }
  /// As the kernel shows it: the id of the map.
  Code& load_map(Reg dst, std::uint32_t id) {
    return add({.opcode = 0x18,
                .registers = static_cast<std::uint8_t>(0x10U | static_cast<std::uint8_t>(dst)),
                .offset = 0,
                .immediate = static_cast<std::int32_t>(id)})
        .add({});
  }
  Code& tail_call(std::uint32_t map = kMap, std::int32_t helper = kTailCallHelper) {
    return load_map(Reg::R2, map).add(call(helper));
  }
  /// Calls the function that begins so many instructions behind.
  Code& call_function(std::int16_t distance) {
    return add({.opcode = 0x85, .registers = 0x10, .offset = distance, .immediate = 0});
  }
  Code& jump_if(Cmp cmp, Reg left, std::int32_t right, const std::string& target) {
    assembly.jump_if(cmp, left, right, target);
    return *this;
  }
  Code& jump(const std::string& target) {
    assembly.jump(target);
    return *this;
  }
  Code& label(const std::string& name) {
    assembly.label(name);
    return *this;
  }
  std::vector<TailCallUse> uses() const {
    return tail_calls_into(assembly.assemble().value(), kMap);
  }
  /// The ending of the only use.
  Ending ending() const {
    const std::vector<TailCallUse> all = uses();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? Ending::Unclear : all.front().ending;
  }
};

/// Begins a program whose action, r6, is a byte of the packet.
Code with_action() {
  return Code()
      .add(load(Width::Word, Reg::R7, Reg::R1, 0))
      .add(load(Width::Byte, Reg::R6, Reg::R7, 9));
}

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

// Programs that return something else than the index, written to look as if they returned it.

TEST(TailCallUse, AValueFromBeforeALoopIsOneOfItsWays) {
  // index = first; while (..) index = other; tail call; return other
  EXPECT_EQ(with_action()
                .add(load(Width::Byte, Reg::R8, Reg::R7, 3))
                .label("again")
                .jump_if(Cmp::Equal, Reg::R7, 1, "call")
                .add(mov(Reg::R8, Reg::R6))
                .jump("again")
                .label("call")
                .add(mov(Reg::R3, Reg::R8))
                .tail_call()
                .add(mov(Reg::R0, Reg::R6))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

TEST(TailCallUse, ALoopAtTheStartOfAFunctionIsEnteredFromOutside) {
  // finish(r1, r2 = map, r3, r4, r5): while (..) r3 = r4; tail call r3; return r4
  EXPECT_EQ(Code()
                .add(load(Width::Word, Reg::R7, Reg::R1, 0))
                .add(load(Width::Byte, Reg::R3, Reg::R7, 1))
                .add(load(Width::Byte, Reg::R4, Reg::R7, 2))
                .load_map(Reg::R2, kMap)
                .call_function(1)
                .add(exit_insn())
                .label("again")
                .jump_if(Cmp::Equal, Reg::R5, 1, "call")
                .add(mov(Reg::R3, Reg::R4))
                .jump("again")
                .label("call")
                .add(mov(Reg::R6, Reg::R4))
                .add(call(kTailCallHelper))
                .add(mov(Reg::R0, Reg::R6))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

TEST(TailCallUse, ValuesOfTwoEarlierRoundsAreNotTheSame) {
  // Each round reads a byte: r8 is that of the round before, r9 that of two before.  When the slot is empty, a round follows.
  EXPECT_EQ(with_action()
                .add(mov(Reg::R8, Reg::R6))
                .label("again")
                .add(load(Width::Byte, Reg::R4, Reg::R7, 3))
                .add(mov(Reg::R9, Reg::R8))
                .add(mov(Reg::R8, Reg::R4))
                .jump_if(Cmp::Equal, Reg::R7, 1, "again")
                .jump_if(Cmp::Equal, Reg::R6, 77, "out")
                .add(mov(Reg::R3, Reg::R9))
                .add(mov(Reg::R6, 77))
                .tail_call()
                .jump("again")
                .label("out")
                .add(mov(Reg::R0, Reg::R9))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

TEST(TailCallUse, ShiftedValuesOfAnEarlierMeetingAreNotThoseOfALaterOne) {
  // r7, r8 differ by way; the index is r7.  Behind the call, r9 keeps the old r8 while r8 becomes the index.
  EXPECT_EQ(Code()
                .add(load(Width::Word, Reg::R5, Reg::R1, 0))
                .add(mov(Reg::R6, Reg::R5))
                .add(load(Width::Byte, Reg::R7, Reg::R5, 1))
                .add(load(Width::Byte, Reg::R8, Reg::R5, 2))
                .add(mov(Reg::R9, 0))
                .add(mov(Reg::R0, 0))
                .label("meet")
                .jump_if(Cmp::Equal, Reg::R0, 9, "out")
                .jump_if(Cmp::Equal, Reg::R0, 8, "round")
                .add(load(Width::Byte, Reg::R7, Reg::R6, 4))
                .jump_if(Cmp::Equal, Reg::R6, 5, "call")
                .add(load(Width::Byte, Reg::R8, Reg::R6, 4))
                .jump("meet")
                .label("call")
                .add(mov(Reg::R3, Reg::R7))
                .add(mov(Reg::R9, Reg::R8))
                .add(alu(Alu::Lsh, Reg::R9, 32))
                .add(mov(Reg::R8, Reg::R7))
                .tail_call()
                .add(mov(Reg::R7, 0))
                .label("round")
                .add(load(Width::Byte, Reg::R0, Reg::R6, 6))
                .jump("meet")
                .label("out")
                .add(mov(Reg::R0, Reg::R9))
                .add(alu(Alu::Rsh, Reg::R0, 32))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

TEST(TailCallUse, AMaskThatIsJumpedToChangesTheIndex) {
  EXPECT_EQ(with_action()
                .load_map(Reg::R2, kMap)
                .add(mov(Reg::R3, Reg::R6))
                .jump_if(Cmp::Equal, Reg::R7, 1, "mask")
                .jump_if(Cmp::GreaterEqual, Reg::R3, 5, "behind")
                .label("mask")
                .add(alu32(Alu::And, Reg::R3, 7))
                .add(call(kTailCallHelper))
                .label("behind")
                .add(mov(Reg::R0, Reg::R6))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

TEST(TailCallUse, StoresOverASpilledIndexAreSeen) {
  // The index is at r10 - 8; `change` comes between, and what is there is returned.
  const auto code = [](const std::vector<Insn>& change) {
    Code program = with_action();
    program.add(store(Width::Double, Reg::R10, -8, Reg::R6));
    program.add(mov(Reg::R3, Reg::R6)).tail_call();
    for (const Insn& insn : change) {
      program.add(insn);
    }
    return program.add(load(Width::Double, Reg::R0, Reg::R10, -8)).add(exit_insn()).ending();
  };
  EXPECT_EQ(code({}), Ending::ReturnsIndex);
  EXPECT_EQ(code({mov(Reg::R4, Reg::R10), alu(Alu::Sub, Reg::R4, 6),
                  store(Width::Half, Reg::R4, 0, Reg::R7)}),
            Ending::Unclear);
  EXPECT_EQ(code({store(Width::Half, Reg::R10, -8, 1)}), Ending::Unclear);
  EXPECT_EQ(code({store(Width::Double, Reg::R10, -12, 1)}), Ending::Unclear);
  EXPECT_EQ(code({mov(Reg::R4, Reg::R10), alu(Alu::Add, Reg::R4, Reg::R7),
                  store(Width::Byte, Reg::R4, 0, 1)}),
            Ending::Unclear);
  EXPECT_EQ(code({atomic(Atomic::Add, Reg::R10, -8, Reg::R7)}), Ending::Unclear);
  // mov32 of an address is no address: what is stored there is not what the frame pointer names.
  EXPECT_EQ(code({mov32(Reg::R4, Reg::R10), store(Width::Byte, Reg::R4, -8, 1)}), Ending::Unclear);
}

TEST(TailCallUse, CalleesAndClobberedRegistersMakeNewValues) {
  // change(r10 - 8) between the spill and the tail call
  EXPECT_EQ(with_action()
                .add(store(Width::Double, Reg::R10, -8, Reg::R6))
                .add(mov(Reg::R1, Reg::R10))
                .add(alu(Alu::Add, Reg::R1, -8))
                .call_function(6)
                .add(mov(Reg::R3, Reg::R6))
                .tail_call()
                .add(load(Width::Double, Reg::R0, Reg::R10, -8))
                .add(exit_insn())
                .add(store(Width::Byte, Reg::R1, 0, 1))
                .add(mov(Reg::R0, 0))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
  // r3 itself does not outlive the tail call, and r0 is its error.
  EXPECT_EQ(with_action()
                .add(mov(Reg::R3, Reg::R6))
                .tail_call()
                .add(mov(Reg::R0, Reg::R3))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
  EXPECT_EQ(with_action().add(mov(Reg::R3, Reg::R6)).tail_call().add(exit_insn()).ending(),
            Ending::Unclear);
}

TEST(TailCallUse, SignExtensionAndNarrowLoadsMakeNewValues) {
  Insn extend_byte = mov(Reg::R0, Reg::R6);
  extend_byte.offset = 8;
  const auto code = [](const Insn& last) {
    return with_action()
        .add(store(Width::Word, Reg::R10, -4, Reg::R6))
        .add(mov(Reg::R3, Reg::R6))
        .tail_call()
        .add(last)
        .add(exit_insn())
        .ending();
  };
  EXPECT_EQ(code(extend_byte), Ending::Unclear);
  EXPECT_EQ(code(load(Width::Byte, Reg::R0, Reg::R10, -4)), Ending::Unclear);
  EXPECT_EQ(code(load(Width::Word, Reg::R0, Reg::R10, -4)), Ending::ReturnsIndex);
}

TEST(ValueState, ValuesThatOneInstructionMadeInTwoRoundsDiffer) {
  constexpr std::size_t kPoint = 3;
  ValueState state;
  state.set_new(4, kPoint);
  state.set(8, state[4]);
  state.set_new(4, kPoint);
  state.set(9, state[8]);
  state.set(8, state[4]);
  state.set_new(4, kPoint);
  EXPECT_FALSE(is_same(state[8], state[9]));
  EXPECT_FALSE(is_same(state[8], state[4]));
}

TEST(ValueState, AShiftedValueOfAMeetingIsNotOneOfTheNext) {
  constexpr std::size_t kPoint = 3;
  ValueState state;
  state.set_new(8, 1);
  ValueState other;
  other.set_new(8, 2);
  state.merge(other, kPoint);  // r8 gets a name of this meeting
  Value shifted = state[8];
  shifted.is_shifted = true;
  state.set(9, shifted);
  state.set_new(8, 4);
  other = state;
  other.set_new(8, 5);
  state.merge(other, kPoint);  // r8 again; r9 has the one from before
  Value back = state[9];
  back.is_shifted = false;
  EXPECT_FALSE(is_same(state[8], back));
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
