// SPDX-License-Identifier: BSD-3-Clause
//
// Filter::decode accepts what SO_ATTACH_FILTER accepts, and nothing else: every opcode there is
// with telling constants, and random programs with one field disturbed.

#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "verify/differential/generators/generator.h"

namespace differential {
namespace {

using cbpfc::Filter;
using cbpfc::RawInsn;

constexpr RawInsn kReturn = {.code = 0x06, .k = 1};

void expect_same(KernelSocket& kernel, const std::vector<RawInsn>& program) {
  const auto filter = Filter::decode(program);
  const int refusal = kernel.attach(program);
  ASSERT_TRUE(refusal == 0 || refusal == EINVAL) << refusal;
  ASSERT_EQ(filter.has_value(), refusal == 0)
      << (filter ? "we accept it" : filter.error().message) << "\n"
      << cbpfc::print_program(program, cbpfc::TextForm::Listing);
}

TEST(Accept, EveryOpcodeAndConstant) {
  KernelSocket kernel;
  for (std::uint32_t code = 0; code < 0x400; ++code) {
    for (const std::uint32_t k :
         {0U, 1U, 2U, 15U, 16U, 31U, 32U, 0x7fffffffU, 0x80000000U, 0xffe00000U, 0xfff00000U,
          0xfffff000U, 0xfffff001U, 0xfffff004U, 0xfffff03cU, 0xfffff040U, 0xffffffffU}) {
      for (std::uint8_t jump = 0; jump <= 2; ++jump) {
        const RawInsn insn{.code = static_cast<std::uint16_t>(code), .jt = jump, .jf = 0, .k = k};
        // Scratch slots are written first, so that only the instruction itself is in question.
        expect_same(kernel,
                    {{.code = 0x02, .k = 0}, {.code = 0x02, .k = 1}, insn, kReturn, kReturn});
        expect_same(kernel, {insn, kReturn});
        expect_same(kernel, {insn});
      }
    }
  }
}

TEST(Accept, HighOpcodeBits) {
  KernelSocket kernel;
  for (std::uint32_t code = 0; code < 0x10000; code += 0x101) {
    expect_same(kernel, {{.code = static_cast<std::uint16_t>(code), .k = 1}, kReturn, kReturn});
  }
}

TEST(Accept, Lengths) {
  KernelSocket kernel;
  for (const std::size_t length : {1U, 2U, 255U, 256U, 4095U, 4096U, 4097U}) {
    std::vector<RawInsn> program(length, {.code = 0x00, .k = 1});
    program.back() = kReturn;
    expect_same(kernel, program);
  }
  EXPECT_FALSE(Filter::decode({}));
}

TEST(Accept, DisturbedRandomPrograms) {
  KernelSocket kernel;
  Generator generator(2);
  std::mt19937_64 random(3);
  int refused = 0;
  for (int n = 0; n < 30000; ++n) {
    std::vector<RawInsn> program = generator.program().encode();
    RawInsn& victim = program[random() % program.size()];
    switch (random() % 5) {
      case 0: victim.code = static_cast<std::uint16_t>(random() % 256); break;
      case 1: victim.k = static_cast<std::uint32_t>(random() % 40); break;
      case 2: victim.jt = static_cast<std::uint8_t>(random()); break;
      case 3: victim.jf = static_cast<std::uint8_t>(random()); break;
      default:
        victim = {.code = static_cast<std::uint16_t>(random() % 2 == 0 ? 0x60 : 0x61),
                  .k = static_cast<std::uint32_t>(random() % 17)};
    }
    expect_same(kernel, program);
    refused += Filter::decode(program) ? 0 : 1;
    if (HasFatalFailure()) {
      return;
    }
  }
  EXPECT_GT(refused, 3000);
}

}  // namespace
}  // namespace differential
