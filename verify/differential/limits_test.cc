// SPDX-License-Identifier: BSD-3-Clause
//
// Programs as long as the kernel takes, of shapes that strain the compiler or the verifier: each
// loads, and gives the interpreter's answer.

#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include <functional>

#include "verify/differential/engines/all_engines.h"
#include "verify/differential/generators/generator.h"

namespace differential {
namespace {

using cbpfc::RawInsn;

constexpr std::size_t kMost = cbpfc::kMaxClassicInsns;

/// Repeats `unit(i)` up to the limit, then returns A.
std::vector<RawInsn> repeat(std::vector<RawInsn> start,
                            const std::function<std::vector<RawInsn>(std::uint32_t)>& unit) {
  for (std::uint32_t i = 0;; ++i) {
    const std::vector<RawInsn> next = unit(i);
    if (start.size() + next.size() + 1 > kMost) {
      break;
    }
    start.insert(start.end(), next.begin(), next.end());
  }
  start.resize(kMost, {.code = 0x16});
  return start;
}

struct Shape {
  const char* what;
  std::vector<RawInsn> program;
};

std::vector<Shape> shapes() {
  const std::vector<RawInsn> x_from_packet = {{.code = 0x28, .k = 0}, {.code = 0x07}};
  return {
      {"absolute loads",
       repeat({},
              [](std::uint32_t i) { return std::vector<RawInsn>{{.code = 0x30, .k = i % 64}}; })},
      {"loads relative to one X", repeat(x_from_packet,
                                         [](std::uint32_t i) {
                                           return std::vector<RawInsn>{
                                               {.code = 0x50, .k = (i * 7) % 40}};
                                         })},
      {"loads relative to one X, falling offsets",
       repeat(x_from_packet,
              [](std::uint32_t i) { return std::vector<RawInsn>{{.code = 0x50, .k = 0U - i}}; })},
      {"loads relative to a new X each", repeat({},
                                                [](std::uint32_t) {
                                                  return std::vector<RawInsn>{
                                                      {.code = 0x50, .k = 3}, {.code = 0x07}};
                                                })},
      {"a branch around each load relative to X",
       repeat(x_from_packet,
              [](std::uint32_t i) {
                return std::vector<RawInsn>{{.code = 0x15, .jt = 1, .jf = 0, .k = i},
                                            {.code = 0x50, .k = (i * 13) % 50}};
              })},
      {"branches with equal arms", repeat({{.code = 0x30, .k = 0}},
                                          [](std::uint32_t i) {
                                            return std::vector<RawInsn>{
                                                {.code = 0x15, .jt = 0, .jf = 0, .k = i}};
                                          })},
      {"divisions by X", repeat(x_from_packet,
                                [](std::uint32_t) {
                                  return std::vector<RawInsn>{
                                      {.code = 0x80}, {.code = 0x3c}, {.code = 0x07}};
                                })},
      {"a list of words", repeat({{.code = 0x20, .k = 26}},
                                 [](std::uint32_t i) {
                                   return std::vector<RawInsn>{
                                       {.code = 0x15, .jt = 0, .jf = 1, .k = 0x0a000000 + i},
                                       {.code = 0x06, .k = i + 1}};
                                 })},
      {"a list of masked words",
       repeat({},
              [](std::uint32_t i) {
                return std::vector<RawInsn>{
                    {.code = 0x20, .k = 26},
                    {.code = 0x54, .k = 0xffffff00},
                    {.code = 0x15, .jt = 0, .jf = 1, .k = 0x0a000000 + 256 * i},
                    {.code = 0x06, .k = i + 1}};
              })},
      {"sums of constants that paths disagree on",
       repeat({},
              [](std::uint32_t i) {
                return std::vector<RawInsn>{{.code = 0x30, .k = i % 64},
                                            {.code = 0x45, .jt = 0, .jf = 3, .k = 1},
                                            {.code = 0x87},
                                            {.code = 0x04, .k = 1U << i % 15},
                                            {.code = 0x07}};
              })},
      {"the same, with addresses and comparisons",
       repeat({},
              [](std::uint32_t i) {
                return std::vector<RawInsn>{{.code = 0x30, .k = i % 64},
                                            {.code = 0x45, .jt = 0, .jf = 3, .k = 1},
                                            {.code = 0x87},
                                            {.code = 0x04, .k = 1U << i % 15},
                                            {.code = 0x07},
                                            {.code = 0x50, .k = 0},
                                            {.code = 0x87},
                                            {.code = 0x15, .jt = 0, .jf = 1, .k = 5},
                                            {.code = 0x06, .k = 3}};
              })},
      {"long jumps to the end",
       repeat({{.code = 0x30, .k = 0}},
              [](std::uint32_t i) {
                // jeq i: ja to the last instruction
                return std::vector<RawInsn>{
                    {.code = 0x15, .jt = 0, .jf = 1, .k = i},
                    {.code = 0x05,
                     .k = static_cast<std::uint32_t>(kMost) - 1 - (1 + 2 * i + 1) - 1}};
              })},
      {"scratch traffic", repeat({{.code = 0x20, .k = 0}, {.code = 0x02, .k = 0}},
                                 [](std::uint32_t i) {
                                   return std::vector<RawInsn>{{.code = 0x60, .k = 0},
                                                               {.code = 0x04, .k = i},
                                                               {.code = 0x02, .k = 0}};
                                 })},
      {"loads at offsets beyond a signed 16-bit",
       repeat({},
              [](std::uint32_t i) {
                return std::vector<RawInsn>{{.code = 0x15, .jt = 0, .jf = 1, .k = i},
                                            {.code = 0x30, .k = 0x7ff0 + i}};
              })},
  };
}

TEST(Limits, ProgramsOfFullLengthLoadAndAgree) {
  Engines engines;
  Generator packets(4);
  for (const Shape& shape : shapes()) {
    SCOPED_TRACE(shape.what);
    ASSERT_EQ(shape.program.size(), kMost);
    const auto filter = cbpfc::Filter::decode(shape.program);
    ASSERT_TRUE(filter) << filter.error().message;
    std::string failure = engines.load(*filter);
    for (int i = 0; i < 20 && failure.empty(); ++i) {
      Packet packet = packets.packet();
      packet.resize(packet.size() + kMinTestRunBytes);
      failure = engines.run(packet);
    }
    EXPECT_TRUE(failure.empty()) << failure.substr(0, 2000) << "\n...\n"
                                 << failure.substr(failure.size() -
                                                   std::min<std::size_t>(failure.size(), 800));
  }
}

/// Programs a verifier has refused: it knew less, or more, than the compiler thought.
TEST(Limits, TheVerifierAccepts) {
  Engines engines;
  Generator packets(5);
  for (const char* text : {
           "6,48 0 0 8,36 0 0 234,69 2 0 2,7 0 0 0,80 0 0 5,22 0 0 0",
           "6,48 0 0 3,7 0 0 0,4 0 0 1,69 1 0 20,80 0 0 0,22 0 0 0",
           "7,177 0 0 14,135 0 0 0,20 0 0 1,69 1 0 20,64 0 0 0,80 0 0 0,22 0 0 0",
           "6,40 0 0 7,100 0 0 6,37 0 2 65520,7 0 0 0,80 0 0 7,6 0 0 1",
       }) {
    SCOPED_TRACE(text);
    const auto filter = cbpfc::Filter::decode(cbpfc::parse_program(text).value());
    ASSERT_TRUE(filter);
    std::string failure = engines.load(*filter);
    for (int i = 0; i < 20 && failure.empty(); ++i) {
      failure = engines.run(packets.packet());
    }
    EXPECT_TRUE(failure.empty()) << failure.substr(0, 3000);
  }
}

}  // namespace
}  // namespace differential
