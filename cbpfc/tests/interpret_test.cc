// SPDX-License-Identifier: BSD-3-Clause
//
// The meaning of each instruction on a packet of the bytes 1, 2, 3, ... 60.

#include "verify/interpreter/interpret.h"

#include <gtest/gtest.h>

#include <numeric>

namespace cbpfc {
namespace {

constexpr RawInsn kRetA = {.code = 0x16};
constexpr RawInsn kTxa = {.code = 0x87};

RawInsn ld(std::uint32_t k) {
  return {.code = 0x00, .k = k};
}
RawInsn ldx(std::uint32_t k) {
  return {.code = 0x01, .k = k};
}

struct Case {
  const char* what;
  std::vector<RawInsn> program;
  std::uint32_t value;
};

TEST(Interpret, EveryInstruction) {
  std::vector<std::uint8_t> packet(60);
  std::iota(packet.begin(), packet.end(), std::uint8_t{1});
  const Case cases[] = {
      {"ld [0]", {{.code = 0x20, .k = 0}, kRetA}, 0x01020304},
      {"ld [56]", {{.code = 0x20, .k = 56}, kRetA}, 0x393a3b3c},
      {"ld [57] leaves the packet", {{.code = 0x20, .k = 57}, {.code = 0x06, .k = 5}}, 0},
      {"ldh [58]", {{.code = 0x28, .k = 58}, kRetA}, 0x3b3c},
      {"ldb [59]", {{.code = 0x30, .k = 59}, kRetA}, 0x3c},
      {"ldb [60]", {{.code = 0x30, .k = 60}, {.code = 0x06, .k = 5}}, 0},
      {"ldb [x - 1]", {ldx(3), {.code = 0x50, .k = 0xffffffff}, kRetA}, 3},
      {"ldb [x + k] wraps at 32 bits",
       {ldx(0x80000000), {.code = 0x50, .k = 0x80000005}, kRetA},
       6},
      {"ldh [x + 57]", {ldx(1), {.code = 0x48, .k = 57}, kRetA}, 0x3b3c},
      {"ld [x + 4] leaves", {ldx(53), {.code = 0x40, .k = 4}, {.code = 0x06, .k = 5}}, 0},
      {"ldxb 4*([59]&0xf)", {{.code = 0xb1, .k = 59}, kTxa, kRetA}, 48},
      {"ldxb keeps A", {ld(7), {.code = 0xb1, .k = 1}, kRetA}, 7},
      {"ld #len", {{.code = 0x80}, kRetA}, 60},
      {"ldx #len", {ld(3), {.code = 0x81}, kTxa, kRetA}, 60},
      {"ldx #len keeps A", {ld(3), {.code = 0x81}, kRetA}, 3},
      {"A and X start as 0", {{.code = 0x0c}, kRetA}, 0},
      {"scratch", {ld(7), {.code = 0x02, .k = 15}, ld(1), {.code = 0x60, .k = 15}, kRetA}, 7},
      {"scratch X",
       {ldx(8), {.code = 0x03, .k = 3}, ldx(1), {.code = 0x61, .k = 3}, kTxa, kRetA},
       8},
      {"add wraps", {ld(5), {.code = 0x04, .k = 0xffffffff}, kRetA}, 4},
      {"sub wraps", {ld(0), {.code = 0x14, .k = 1}, kRetA}, 0xffffffff},
      {"mul wraps", {ld(0x10001), {.code = 0x24, .k = 0x10001}, kRetA}, 0x20001},
      {"div is unsigned", {ld(4), {.code = 0x34, .k = 0xfffffffe}, kRetA}, 0},
      {"mod", {ld(0xffffffff), {.code = 0x94, .k = 0x80000001}, kRetA}, 0x7ffffffe},
      {"div x by 0", {ld(4), {.code = 0x3c}, {.code = 0x06, .k = 5}}, 0},
      {"mod x by 0", {ld(4), {.code = 0x9c}, {.code = 0x06, .k = 5}}, 0},
      {"or", {ld(0xf0), {.code = 0x44, .k = 0x0f}, kRetA}, 0xff},
      {"and", {ld(0xf3), {.code = 0x54, .k = 0x0f}, kRetA}, 3},
      {"xor", {ld(0xff), {.code = 0xa4, .k = 0x0f}, kRetA}, 0xf0},
      {"lsh 31", {ld(3), {.code = 0x64, .k = 31}, kRetA}, 0x80000000},
      {"lsh x takes five bits", {ld(3), ldx(33), {.code = 0x6c}, kRetA}, 6},
      {"rsh x takes five bits", {ld(8), ldx(34), {.code = 0x7c}, kRetA}, 2},
      {"neg", {ld(1), {.code = 0x84}, kRetA}, 0xffffffff},
      {"tax", {ld(9), {.code = 0x07}, ld(0), kTxa, kRetA}, 9},
      {"jgt is unsigned",
       {ld(0x80000000), {.code = 0x25, .jt = 0, .jf = 1, .k = 1}, {.code = 0x06, .k = 5}, kRetA},
       5},
      {"jset x",
       {ld(4), ldx(3), {.code = 0x4d, .jt = 0, .jf = 1}, {.code = 0x06, .k = 5}, kRetA},
       4},
      {"ja", {{.code = 0x05, .k = 1}, {.code = 0x06, .k = 5}, {.code = 0x06, .k = 6}}, 6},
      {"ret #-1", {{.code = 0x06, .k = 0xffffffff}}, 0xffffffff},
      {"ld [0x80000000]", {{.code = 0x20, .k = 0x80000000}, {.code = 0x06, .k = 5}}, 0},
  };
  for (const Case& c : cases) {
    const auto filter = Filter::decode(c.program);
    ASSERT_TRUE(filter) << c.what << ": " << filter.error().message;
    const auto value = interpret(*filter, packet, 60);
    ASSERT_TRUE(value) << c.what;
    EXPECT_EQ(*value, c.value) << c.what;
  }
}

TEST(Interpret, LengthIsTheWiresNotTheCaptures) {
  const auto filter = Filter::decode(std::vector<RawInsn>{{.code = 0x80}, kRetA});
  EXPECT_EQ(*interpret(*filter, {}, 1500), 1500U);
}

TEST(Interpret, RefusesWhatThePacketCannotAnswer) {
  for (const std::uint32_t offset : {0xfffff004U, 0xfff00000U, 0xffe00000U}) {
    const auto filter = Filter::decode(std::vector<RawInsn>{{.code = 0x20, .k = offset}, kRetA});
    const auto value = interpret(*filter, {}, 0);
    ASSERT_FALSE(value);
    EXPECT_EQ(value.error().code, Errc::Unsupported);
  }
}

TEST(Interpret, FollowsBackwardJumps) {
  // x += 1 until p8[x] is 9; the value is x.
  const std::vector<RawInsn> program = {ld(1),
                                        {.code = 0x0c},
                                        {.code = 0x07},
                                        {.code = 0x50, .k = 0},
                                        {.code = 0x15, .jt = 1, .jf = 0, .k = 9},
                                        {.code = 0x05, .k = 0xfffffffa},
                                        kTxa,
                                        kRetA};
  const auto filter = Filter::decode(program, Accept::Compiler);
  ASSERT_TRUE(filter) << filter.error().message;
  std::vector<std::uint8_t> packet(50000);
  EXPECT_EQ(*interpret(*filter, packet, 50000), 0U);  // leaves the packet
  packet[40000] = 9;
  EXPECT_EQ(*interpret(*filter, packet, 50000), 40000U);
}

Filter with_backward_jumps(const std::vector<RawInsn>& program) {
  return Filter::decode(program, Accept::Compiler).value();
}

TEST(Interpret, AProgramThatNeverEndsDoesNotMatch) {
  const std::vector<RawInsn> programs[] = {
      {{.code = 0x05, .k = 0xffffffff}, kRetA},
      // a cycle of five states, entered at the third
      {ld(1),
       ldx(3),
       {.code = 0x0c},
       {.code = 0x94, .k = 5},
       {.code = 0x05, .k = 0xfffffffd},
       kRetA},
      // a chain of headers that leads back to its start; the compiler takes it
      {{.code = 0x50, .k = 0},
       {.code = 0x15, .jt = 2, .jf = 0, .k = 9},
       {.code = 0x07},
       {.code = 0x05, .k = 0xfffffffc},
       {.code = 0x06, .k = 1}},
  };
  const std::vector<std::uint8_t> packet = {2, 3, 0, 1};
  for (const std::vector<RawInsn>& program : programs) {
    const auto value = interpret(with_backward_jumps(program), packet, 4);
    ASSERT_TRUE(value) << value.error().message;
    EXPECT_EQ(*value, 0U);
  }
  const std::vector<std::uint8_t> ends = {2, 3, 9, 1};
  EXPECT_EQ(interpret(with_backward_jumps(programs[2]), ends, 4), 1U);
}

TEST(Interpret, GivesUpWhereItCannotTellWhetherAProgramEnds) {
  // Counts to 2^32.
  const Filter filter = with_backward_jumps({ld(1),
                                             {.code = 0x04, .k = 1},
                                             {.code = 0x15, .jt = 1, .jf = 0},
                                             {.code = 0x05, .k = 0xfffffffd},
                                             kRetA});
  const auto value = interpret(filter, {}, 0);
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, Errc::Unsupported);
  EXPECT_EQ(value.error().message,
            "instruction 3: the program jumped backwards 10000000 times on this packet, and "
            "interpretation stops here");
}

}  // namespace
}  // namespace cbpfc
