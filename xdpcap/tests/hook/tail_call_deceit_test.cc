// SPDX-License-Identifier: BSD-3-Clause
//
// Programs that return something else than the index, written to look as if they returned it.

#include <gtest/gtest.h>

#include <vector>

#include "xdpcap/hook/tail_call_use.h"
#include "xdpcap/hook/value_flow.h"
#include "xdpcap/tests/hook/tail_call_code.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): programs are written with it
using Ending = TailCallUse::Ending;
using test::Code;
using test::kMap;
using test::kTailCallHelper;
using test::with_action;

TEST(TailCallDeceit, AValueFromBeforeALoopIsOneOfItsWays) {
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

TEST(TailCallDeceit, ALoopAtTheStartOfAFunctionIsEnteredFromOutside) {
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

TEST(TailCallDeceit, ValuesOfTwoEarlierRoundsAreNotTheSame) {
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

TEST(TailCallDeceit, ShiftedValuesOfAnEarlierMeetingAreNotThoseOfALaterOne) {
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

TEST(TailCallDeceit, AMaskThatIsJumpedToChangesTheIndex) {
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

TEST(TailCallDeceit, StoresOverASpilledIndexAreSeen) {
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

TEST(TailCallDeceit, CalleesAndClobberedRegistersMakeNewValues) {
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

// The one atomic operation that writes to its first register.
TEST(TailCallDeceit, AnAtomicLoadMakesANewValue) {
  constexpr std::uint8_t kR6FromR7 = 0x76;
  EXPECT_EQ(with_action()
                .add(mov(Reg::R3, Reg::R6))
                .add({.opcode = 0xdb, .registers = kR6FromR7, .offset = 0, .immediate = 0x100})
                .tail_call()
                .add(mov(Reg::R0, Reg::R6))
                .add(exit_insn())
                .ending(),
            Ending::Unclear);
}

TEST(TailCallDeceit, SignExtensionAndNarrowLoadsMakeNewValues) {
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

}  // namespace
}  // namespace xdpcap
