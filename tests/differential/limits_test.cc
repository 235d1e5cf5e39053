// SPDX-License-Identifier: BSD-3-Clause
//
// Programs as long as the kernel takes, of shapes that strain the compiler or the verifier: each
// loads, and gives the interpreter's answer.

#include <gtest/gtest.h>

#include <functional>

#include "differential/agreement.h"
#include "differential/generator.h"

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

}  // namespace
}  // namespace differential
