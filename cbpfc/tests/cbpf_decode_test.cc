// SPDX-License-Identifier: BSD-3-Clause
//
// What is accepted is proven against the kernel in verify/differential/accept_test.cc; here are the words.

#include <cbpfc/cbpf.h>
#include <gtest/gtest.h>

namespace cbpfc {
namespace {

constexpr RawInsn kRet = {.code = 0x06, .k = 1};

struct Refusal {
  std::vector<RawInsn> program;
  const char* message;
};

TEST(Decode, SaysWhichInstructionAndWhy) {
  const Refusal refusals[] = {
      {{}, "the program has no instructions"},
      {std::vector<RawInsn>(4097, kRet),
       "the program has 4097 instructions, the kernel takes at most 4096"},
      {{{.code = 0x55}, kRet}, "instruction 0: unknown opcode 0x55"},
      {{{.code = 0x0104}, kRet}, "instruction 0: unknown opcode 0x104"},
      {{{.code = 0x21}, kRet}, "instruction 0: unknown opcode 0x21"},
      {{kRet, {.code = 0x8c}, kRet}, "instruction 1: unknown opcode 0x8c"},
      {{{.code = 0x02, .k = 16}, kRet},
       "instruction 0: scratch slot M[16] does not exist, the last is M[15]"},
      {{{.code = 0x60, .k = 99}, kRet},
       "instruction 0: scratch slot M[99] does not exist, the last is M[15]"},
      {{{.code = 0x34, .k = 0}, kRet}, "instruction 0: division by the constant 0"},
      {{{.code = 0x94, .k = 0}, kRet}, "instruction 0: division by the constant 0"},
      {{{.code = 0x64, .k = 32}, kRet}, "instruction 0: shift by 32, the largest is 31"},
      {{{.code = 0x20, .k = 0xfffff001}, kRet},
       "instruction 0: unknown ancillary load, SKF_AD_OFF + 1"},
      {{{.code = 0x05, .k = 1}, kRet},
       "instruction 0: jump over 1 leaves the program of 2 instructions"},
      {{kRet, {.code = 0x05, .k = 0xfffffffe}, kRet},
       "instruction 1: jump of -2 goes backwards, which the kernel forbids"},
      {{{.code = 0x15, .jt = 0, .jf = 1}, kRet},
       "instruction 0: jump over 1 leaves the program of 2 instructions"},
      {{kRet, {.code = 0x00}}, "instruction 1: the last instruction does not return"},
      {{{.code = 0x60, .k = 3}, kRet},
       "instruction 0: reads scratch slot M[3], which not every path has written"},
  };
  for (const Refusal& refusal : refusals) {
    const auto filter = Filter::decode(refusal.program);
    ASSERT_FALSE(filter) << refusal.message;
    EXPECT_EQ(filter.error().code, Errc::InvalidProgram);
    EXPECT_EQ(filter.error().message, refusal.message);
  }
}

TEST(Decode, ScratchWrittenOnBothArmsIsWritten) {
  // jeq 1, L1, L2; L1: st M[0]; ja J; L2: st M[0]; J: ld M[0]; ret a
  EXPECT_TRUE(Filter::decode(std::vector<RawInsn>{{.code = 0x15, .jt = 0, .jf = 2, .k = 1},
                                                  {.code = 0x02},
                                                  {.code = 0x05, .k = 1},
                                                  {.code = 0x02},
                                                  {.code = 0x60},
                                                  {.code = 0x16}}));
}

/// The end of `program` when `accept` refuses it, empty when it does not.
std::string refusal(const std::vector<RawInsn>& program, Accept accept) {
  const auto filter = Filter::decode(program, accept);
  return filter ? std::string() : filter.error().message;
}

TEST(Decode, TheCompilerTakesMoreThanTheKernel) {
  const std::vector<RawInsn> too_long(10000, kRet);
  EXPECT_NE(refusal(too_long, Accept::Kernel), "");
  EXPECT_EQ(refusal(too_long, Accept::Compiler), "");

  // ldb [0]; jeq #1, end; ja 0; ret
  const std::vector<RawInsn> loop = {{.code = 0x30},
                                     {.code = 0x15, .jt = 1, .jf = 0, .k = 1},
                                     {.code = 0x05, .k = 0xfffffffd},
                                     kRet};
  EXPECT_EQ(refusal(loop, Accept::Kernel),
            "instruction 2: jump of -3 goes backwards, which the kernel forbids");
  const auto filter = Filter::decode(loop, Accept::Compiler);
  ASSERT_TRUE(filter) << filter.error().message;
  EXPECT_EQ(filter->first_backward_jump(), 2U);
  EXPECT_EQ(std::get<Jump>(filter->insns()[2]).target(2), 0U);
  EXPECT_EQ(filter->encode(), loop);
  EXPECT_EQ(Filter::decode(too_long, Accept::Compiler)->first_backward_jump(), std::nullopt);
}

TEST(Decode, TheCompilerRefusesTheRestAsTheKernelDoes) {
  const Refusal refusals[] = {
      {{}, "the program has no instructions"},
      {{kRet, {.code = 0x05, .k = 0xfffffffd}, kRet},
       "instruction 1: jump of -3 goes back beyond the program's start"},
      {{kRet, {.code = 0x05, .k = 0x80000000}, kRet},
       "instruction 1: jump of -2147483648 goes back beyond the program's start"},
      {{{.code = 0x05, .k = 1}, kRet},
       "instruction 0: jump over 1 leaves the program of 2 instructions"},
      {{kRet, {.code = 0x05, .k = 0xfffffffe}},
       "instruction 1: the last instruction does not return"},
      // ja 2; ld M[1]; ret; ldb [0]; ja 1: the only way to the read has not written the slot
      {{{.code = 0x05, .k = 2},
        {.code = 0x60, .k = 1},
        kRet,
        {.code = 0x30},
        {.code = 0x05, .k = 0xfffffffc},
        kRet},
       "instruction 1: reads scratch slot M[1], which not every path has written"},
  };
  for (const Refusal& each : refusals) {
    EXPECT_EQ(refusal(each.program, Accept::Compiler), each.message);
  }
  // The same with the slot written on the way.
  EXPECT_EQ(refusal({{.code = 0x05, .k = 2},
                     {.code = 0x60, .k = 1},
                     kRet,
                     {.code = 0x02, .k = 1},
                     {.code = 0x05, .k = 0xfffffffc},
                     kRet},
                    Accept::Compiler),
            "");
}

TEST(Decode, EncodingIsTheInverse) {
  std::size_t valid = 0;
  for (std::uint32_t code = 0; code < 0x200; ++code) {
    for (const std::uint32_t k : {1U, 15U, 0xfffff00cU}) {
      const RawInsn raw{.code = static_cast<std::uint16_t>(code), .k = k};
      const auto insn = decode_insn(raw);
      if (insn) {
        ++valid;
        const RawInsn again = encode_insn(*insn);
        EXPECT_EQ(again.code, raw.code);
        EXPECT_EQ(*decode_insn(again), *insn);
      }
    }
  }
  EXPECT_GT(valid, 100U);
  const std::vector<RawInsn> program = {{.code = 0x30, .k = 23},
                                        {.code = 0x15, .jt = 0, .jf = 1, .k = 17},
                                        {.code = 0x06, .k = 0x40000},
                                        {.code = 0x06}};
  EXPECT_EQ(Filter::decode(program)->encode(), program);
}

}  // namespace
}  // namespace cbpfc
