// SPDX-License-Identifier: BSD-3-Clause
//
// The prover's arithmetic against the interpreter's, on numbers: both follow the same document, but
// are not the same code.

#include "verify/prove/numbers.h"

#include <gtest/gtest.h>

#include "verify/interpreter/ebpf_interpret.h"

namespace cbpfc::prove {
namespace {

using ebpf::Insn;

constexpr std::uint64_t kNumbers[] = {0,
                                      1,
                                      2,
                                      3,
                                      31,
                                      32,
                                      33,
                                      63,
                                      64,
                                      0x7f,
                                      0x80,
                                      0xff,
                                      0x100,
                                      0xffff,
                                      0x7fff'ffff,
                                      0x8000'0000,
                                      0xffff'ffff,
                                      0x1'0000'0000,
                                      0x1'0000'0001,
                                      0x0102'0304'0506'0708,
                                      0x7fff'ffff'ffff'ffff,
                                      0x8000'0000'0000'0000,
                                      0xffff'ffff'8000'0000,
                                      0xffff'ffff'ffff'ffff};

/// dst = value, in two instructions.
void add_load64(std::vector<Insn>& insns, std::uint8_t dst, std::uint64_t value) {
  insns.push_back({.opcode = 0x18,
                   .registers = dst,
                   .immediate = static_cast<std::int32_t>(static_cast<std::uint32_t>(value))});
  insns.push_back({.immediate = static_cast<std::int32_t>(value >> 32)});
}

/// Terms of a context, made anew for each number so that they do not pile up.
class Numbers : public testing::Test {
 protected:
  std::uint64_t as_number(const z3::expr& term) {
    const z3::expr simple = terms_.products().meaning(term).simplify();
    EXPECT_TRUE(simple.is_numeral()) << simple;
    return simple.as_uint64();
  }

  z3::context context_;
  Terms terms_{context_};
};

TEST_F(Numbers, ArithmeticIsTheInterpreters) {
  int computed = 0;
  int refused = 0;
  for (int code = 0; code < 0x100; ++code) {
    if ((code & 7) != 4 && (code & 7) != 7) {
      continue;
    }
    const bool by_register = (code & 8) != 0 && (code & 0xf0) != 0xd0;
    for (const std::uint64_t left : kNumbers) {
      for (const std::uint64_t right : kNumbers) {
        const Insn insn{.opcode = static_cast<std::uint8_t>(code),
                        .registers = 0x51,
                        .immediate = by_register ? 0 : static_cast<std::int32_t>(right)};
        std::vector<Insn> insns;
        add_load64(insns, 1, left);
        add_load64(insns, 5, right);
        insns.push_back(insn);
        const auto run = ebpf::interpret(insns, {}, {});
        const auto operand =
            by_register ? right : static_cast<std::uint64_t>(std::int64_t{insn.immediate});
        const auto term =
            compute(terms_, insn, terms_.number(left, 64), terms_.number(operand, 64));
        ASSERT_EQ(run.has_value(), term.has_value())
            << std::hex << code << ' ' << left << ' ' << right
            << (run ? "" : ' ' + run.error().message);
        if (run) {
          ++computed;
          ASSERT_EQ(as_number(*term), run->registers[1])
              << std::hex << code << ' ' << left << ' ' << right;
        } else {
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(computed, 10000);
  EXPECT_GT(refused, 1000);
}

TEST_F(Numbers, ComparisonsAreTheInterpreters) {
  int compared = 0;
  for (int code = 0; code < 0x100; ++code) {
    const int op = code & 0xf0;
    const bool compares = op != 0 && op != 0x80 && op != 0x90;  // unlike ja, call, exit
    constexpr int kMayGoto = 0xe5;
    if (((code & 7) != 5 && (code & 7) != 6) || !compares || code == kMayGoto) {
      continue;
    }
    const bool by_register = (code & 8) != 0;
    for (const std::uint64_t left : kNumbers) {
      for (const std::uint64_t right : kNumbers) {
        const Insn insn{.opcode = static_cast<std::uint8_t>(code),
                        .registers = 0x51,
                        .offset = 1,
                        .immediate = by_register ? 0 : static_cast<std::int32_t>(right)};
        std::vector<Insn> insns;
        add_load64(insns, 1, left);
        add_load64(insns, 5, right);
        insns.push_back(insn);
        insns.push_back({.opcode = 0xb7, .registers = 0});  // only if not taken
        const auto run = ebpf::interpret(insns, {}, {});
        const auto operand =
            by_register ? right : static_cast<std::uint64_t>(std::int64_t{insn.immediate});
        const auto condition =
            taken(terms_, insn, terms_.number(left, 64), terms_.number(operand, 64));
        ASSERT_EQ(run.has_value(), condition.has_value()) << std::hex << code;
        if (run) {
          ++compared;
          ASSERT_TRUE(condition->is_true() || condition->is_false());
          ASSERT_EQ(condition->is_true(), run->insns == 3)
              << std::hex << code << ' ' << left << ' ' << right;
        }
      }
    }
  }
  EXPECT_GT(compared, 10000);
}

/// Bounds and narrowed terms, where nothing is constant.
TEST_F(Numbers, BoundsHold) {
  const z3::expr byte = context_.bv_const("byte", 8);
  const z3::expr word = context_.bv_const("word", 32);
  const z3::expr wide = z3::zext(byte, 24).simplify();
  const auto number = [&](std::uint64_t n) { return terms_.number(n, 32); };
  const struct {
    z3::expr term;
    std::uint64_t max;
  } cases[] = {
      {wide, 0xff},
      {word, 0xffff'ffff},
      {(wide + number(14)).simplify(), 0x10d},
      {(wide + number(0xffff'ffff)).simplify(), 0xffff'ffff},  // it may wrap
      {z3::shl(wide & number(15), number(2)).simplify(), 60},
      {terms_.product(Product::Multiply, wide, number(100)), 25500},
      {terms_.product(Product::Divide, word, number(1000)), 0xffff'ffffU / 1000},
      {terms_.product(Product::Remainder, word, number(1000)), 999},
      {terms_.product(Product::Divide, wide, word), 0xffff'ffff},  // by 0
      {z3::ite(word == 0, wide, number(300)), 300},
      {(wide & number(0xfff)).simplify(), 0xff},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(terms_.max_value(c.term), c.max) << c.term;
  }
}

}  // namespace
}  // namespace cbpfc::prove
