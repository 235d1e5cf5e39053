// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/value.h"

#include <functional>

#include "cbpfc/tests/graph/optimizer_support.h"

namespace cbpfc::optimizer {
namespace {

struct Row {
  const char* expected;
  std::function<ValueId(Ground&)> make;
};

void expect_printed(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    Ground g;
    const ValueId value = row.make(g);
    EXPECT_EQ(g.values().print(value), row.expected);
  }
}

TEST(Value, ConstantsFold) {
  expect_printed({
      {"0x5", [](Ground& g) { return g.op(AluOp::Add, g.k(2), 3); }},
      {"0xffffffff", [](Ground& g) { return g.op(AluOp::Sub, g.k(2), 3); }},
      {"0x80000000", [](Ground& g) { return g.op(AluOp::Mul, g.k(0xc0000000), 2); }},
      {"0x3", [](Ground& g) { return g.op(AluOp::Div, g.k(10), 3); }},
      {"0x1", [](Ground& g) { return g.op(AluOp::Mod, g.k(10), 3); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::Div, g.k(10), 0); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::Mod, g.k(10), 0); }},
      {"0x7", [](Ground& g) { return g.op(AluOp::Or, g.k(5), 3); }},
      {"0x1", [](Ground& g) { return g.op(AluOp::And, g.k(5), 3); }},
      {"0x6", [](Ground& g) { return g.op(AluOp::Xor, g.k(5), 3); }},
      {"0x28", [](Ground& g) { return g.op(AluOp::Lsh, g.k(5), 3); }},
      {"0x1fffffff", [](Ground& g) { return g.op(AluOp::Rsh, g.k(0xffffffff), 3); }},
  });
}

TEST(Value, ArithmeticIsSimplified) {
  expect_printed({
      {"p16[12]", [](Ground& g) { return g.op(AluOp::Add, g.p16(12), 0); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::Sub, g.p16(12), 0); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::Or, g.p16(12), 0); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::Xor, g.p16(12), 0); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::Mul, g.p16(12), 1); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::Div, g.p16(12), 1); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::Mul, g.p16(12), 0); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::Div, g.p16(12), 0); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::Mod, g.p16(12), 0); }},
      {"(p16[12] + 0x3)",
       [](Ground& g) { return g.op(AluOp::Add, g.op(AluOp::Add, g.p16(12), 1), 2); }},
      {"(p16[12] + 0xffffffff)",
       [](Ground& g) { return g.op(AluOp::Sub, g.op(AluOp::Add, g.p16(12), 1), 2); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::Sub, g.op(AluOp::Add, g.p16(12), 2), 2); }},
      {"(p16[12] + 0x1)", [](Ground& g) { return g.op(AluOp::Add, g.k(1), g.p16(12)); }},
      {"(0x1 - p16[12])", [](Ground& g) { return g.op(AluOp::Sub, g.k(1), g.p16(12)); }},
      {"(p16[12] << 0x2)", [](Ground& g) { return g.op(AluOp::Mul, g.p16(12), 4); }},
      {"(p16[12] << 0x1f)", [](Ground& g) { return g.op(AluOp::Mul, g.p16(12), g.k(0x80000000)); }},
      {"(p16[12] >> 0x2)", [](Ground& g) { return g.op(AluOp::Div, g.p16(12), 4); }},
      {"(p16[12] * 0x6)", [](Ground& g) { return g.op(AluOp::Mul, g.p16(12), 6); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::Div, g.p16(12), 0x10000); }},
  });
}

TEST(Value, ShiftsTakeFiveBits) {
  expect_printed({
      {"(p16[12] << 0x2)", [](Ground& g) { return g.op(AluOp::Lsh, g.p16(12), 34); }},
      {"(p16[12] << 0x10)", [](Ground& g) { return g.op(AluOp::Lsh, g.p16(12), 48); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::Lsh, g.p16(12), 32); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::Rsh, g.p16(12), 64); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::Rsh, g.p16(12), 16); }},
      {"(p16[12] >> 0xf)", [](Ground& g) { return g.op(AluOp::Rsh, g.p16(12), 15); }},
      {"0x2", [](Ground& g) { return g.op(AluOp::Lsh, g.k(1), 33); }},
  });
}

TEST(Value, MasksAreJoinedAndCutToWhatCanBeSet) {
  expect_printed({
      {"(p16[12] & 0xf0)",
       [](Ground& g) { return g.op(AluOp::And, g.op(AluOp::And, g.p16(12), 0xff), 0x1f0); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::And, g.op(AluOp::And, g.p16(12), 0xf0), 0xf); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::And, g.p16(12), 0xffff); }},
      {"p16[12]", [](Ground& g) { return g.op(AluOp::And, g.p16(12), -1); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::And, g.p16(12), 0x10000); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::And, g.p16(12), 0); }},
      {"(p8[12] & 0xf)", [](Ground& g) { return g.op(AluOp::And, g.p8(12), 0xf0f); }},
      {"(p8[12] & 0xf)", [](Ground& g) { return g.op(AluOp::And, g.k(0xf), g.p8(12)); }},
  });
}

TEST(Value, ByItself) {
  expect_printed({
      {"0x0", [](Ground& g) { return g.op(AluOp::Sub, g.p8(0), g.p8(0)); }},
      {"0x0", [](Ground& g) { return g.op(AluOp::Xor, g.p8(0), g.p8(0)); }},
      {"p8[0]", [](Ground& g) { return g.op(AluOp::And, g.p8(0), g.p8(0)); }},
      {"p8[0]", [](Ground& g) { return g.op(AluOp::Or, g.p8(0), g.p8(0)); }},
      {"(p8[0] + p8[0])", [](Ground& g) { return g.op(AluOp::Add, g.p8(0), g.p8(0)); }},
      {"(p8[0] / p8[0])", [](Ground& g) { return g.op(AluOp::Div, g.p8(0), g.p8(0)); }},
  });
}

TEST(Value, IndexesGiveTheirConstantToTheOffset) {
  const auto at = [](Ground& g, ValueId index, std::uint32_t offset) {
    return g.values().load(Size::Half, index, offset);
  };
  expect_printed({
      {"p16[p8[0] + 7]", [&](Ground& g) { return at(g, g.op(AluOp::Add, g.p8(0), 3), 4); }},
      {"p16[p8[0] + -2]", [&](Ground& g) { return at(g, g.op(AluOp::Sub, g.p8(0), 4), 2); }},
      {"p16[7]", [&](Ground& g) { return at(g, g.k(3), 4); }},
      {"p16[1]", [&](Ground& g) { return at(g, g.k(3), 0xfffffffe); }},
      {"p16[(p8[0] << 0x2) + 14]",
       [&](Ground& g) { return at(g, g.op(AluOp::Lsh, g.p8(0), 2), 14); }},
  });
}

TEST(Value, KnowsItsMaximum) {
  struct MaxRow {
    std::uint32_t max;
    std::function<ValueId(Ground&)> make;
  };
  const MaxRow rows[] = {
      {0xff, [](Ground& g) { return g.p8(0); }},
      {0xffff, [](Ground& g) { return g.p16(0); }},
      {0xffffffff, [](Ground& g) { return g.p32(0); }},
      {0xffffffff, [](Ground& g) { return g.values().length(); }},
      {0xffffffff, [](Ground& g) { return g.values().new_phi(); }},
      {77, [](Ground& g) { return g.k(77); }},
      {0x1fe, [](Ground& g) { return g.op(AluOp::Add, g.p8(0), g.p8(1)); }},
      {0xffffffff, [](Ground& g) { return g.op(AluOp::Add, g.p32(0), 1); }},
      {0xffffffff, [](Ground& g) { return g.op(AluOp::Sub, g.p8(0), 1); }},
      {0xffffffff, [](Ground& g) { return g.op(AluOp::Sub, g.p8(0), g.p8(1)); }},
      {0x5fa, [](Ground& g) { return g.op(AluOp::Mul, g.p8(0), 6); }},
      {0xfe01, [](Ground& g) { return g.op(AluOp::Mul, g.p8(0), g.p8(1)); }},
      {0x55, [](Ground& g) { return g.op(AluOp::Div, g.p8(0), 3); }},
      {0xff, [](Ground& g) { return g.op(AluOp::Div, g.p8(0), g.p8(1)); }},
      {2, [](Ground& g) { return g.op(AluOp::Mod, g.p8(0), 3); }},
      {0xfe, [](Ground& g) { return g.op(AluOp::Mod, g.p32(0), g.p8(1)); }},
      {0xff, [](Ground& g) { return g.op(AluOp::Mod, g.p8(0), g.p16(1)); }},
      {0x1ff, [](Ground& g) { return g.op(AluOp::Or, g.p8(0), 0x100); }},
      {0x7ff, [](Ground& g) { return g.op(AluOp::Xor, g.p8(0), 0x400); }},
      {0xf, [](Ground& g) { return g.op(AluOp::And, g.p8(0), 0xf); }},
      {0xff, [](Ground& g) { return g.op(AluOp::And, g.p8(0), g.p32(4)); }},
      {0x3fc, [](Ground& g) { return g.op(AluOp::Lsh, g.p8(0), 2); }},
      {0xffffffff, [](Ground& g) { return g.op(AluOp::Lsh, g.p8(0), 25); }},
      {0xffffffff, [](Ground& g) { return g.op(AluOp::Lsh, g.p8(0), g.p8(1)); }},
      {0x3f, [](Ground& g) { return g.op(AluOp::Rsh, g.p8(0), 2); }},
      {0xff, [](Ground& g) { return g.op(AluOp::Rsh, g.p8(0), g.p8(1)); }},
  };
  for (const MaxRow& row : rows) {
    Ground g;
    const ValueId value = row.make(g);
    EXPECT_EQ(g.values().max(value), row.max) << g.values().print(value);
  }
}

TEST(Value, EqualComputationsAreOne) {
  Ground g;
  EXPECT_EQ(g.p16(12), g.p16(12));
  EXPECT_NE(g.p16(12), g.p16(14));
  EXPECT_NE(g.p16(12), g.p8(12));
  EXPECT_EQ(g.op(AluOp::Add, g.p8(0), g.p8(1)), g.op(AluOp::Add, g.p8(1), g.p8(0)));
  EXPECT_NE(g.op(AluOp::Sub, g.p8(0), g.p8(1)), g.op(AluOp::Sub, g.p8(1), g.p8(0)));
  EXPECT_EQ(g.op(AluOp::Mul, g.op(AluOp::And, g.p8(14), 0xf), 4),
            g.op(AluOp::Lsh, g.op(AluOp::And, g.p8(14), 0xf), 2));
  EXPECT_EQ(g.values().length(), g.values().length());
  EXPECT_NE(g.values().new_phi(), g.values().new_phi());
  EXPECT_EQ(g.values().phis(), 2U);
  const std::size_t size = g.values().size();
  g.op(AluOp::Add, g.p8(0), g.p8(1));
  EXPECT_EQ(g.values().size(), size);
}

TEST(Value, OperandsComeFirst) {
  Ground g;
  const ValueId first = g.p8(0);
  const ValueId second = g.p8(1);
  const ValueId sum = g.op(AluOp::Add, second, first);
  EXPECT_EQ(g.values().operands(sum), (std::vector<ValueId>{first, second}));
  const ValueId load = g.values().load(Size::Word, sum, 0);
  EXPECT_EQ(g.values().operands(load), std::vector<ValueId>{sum});
  EXPECT_TRUE(g.values().operands(g.p8(0)).empty());
  EXPECT_LT(sum, load);
  EXPECT_LT(g.p8(1), sum);
}

TEST(Value, DeepExpressionsArePrintedByNumber) {
  Ground g;
  const ValueId product = g.op(AluOp::Mul, g.p8(0), 3);
  EXPECT_EQ(g.values().print(product, 1), "(p8[0] * 0x3)");
  EXPECT_EQ(g.values().print(g.op(AluOp::Sub, product, g.p8(1)), 1),
            "(v" + std::to_string(product) + " - p8[1])");
}

TEST(Value, PrefixMasks) {
  struct PrefixRow {
    std::uint32_t mask, max;
    bool is_prefix;
  };
  for (const auto& [mask, max, expected] : {PrefixRow{0xffffff00, 0xffffffff, true},
                                            {0xffffff00, 0xffff, true},
                                            {0xff00, 0xffff, true},
                                            {0xff00, 0x10000, false},
                                            {0x0f00, 0xffff, false},
                                            {0xf0f0, 0xffff, false},
                                            {0xffff, 0xffff, true},
                                            {0, 0xffff, true},
                                            {0x0fff, 0xffff, false},
                                            {0xf0, 0xfe, true}}) {
    EXPECT_EQ(is_prefix_mask(mask, max), expected) << mask << " " << max;
  }
  EXPECT_EQ(bits_of(0), 0U);
  EXPECT_EQ(bits_of(1), 1U);
  EXPECT_EQ(bits_of(0x80), 0xffU);
  EXPECT_EQ(bits_of(0xffffffff), 0xffffffffU);
}

}  // namespace
}  // namespace cbpfc::optimizer
