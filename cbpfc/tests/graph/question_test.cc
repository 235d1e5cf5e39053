// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/question.h"

#include <functional>

#include "cbpfc/tests/graph/optimizer_support.h"

namespace cbpfc::optimizer {
namespace {

constexpr const char* kHitName = "  0: return 0x1\n";
constexpr const char* kMissName = "  0: return 0x0\n";

struct QuestionRow {
  const char* what;
  std::string expected;
  std::function<NodeId(Ground&)> ask;
};

/// How read() shows a question of which `when` leads to 1 and `otherwise` to 0.
std::string asks(const std::string& title, const std::string& when = "yes",
                 const std::string& otherwise = "no") {
  return title + "|" + when + " 1|" + otherwise + " 0";
}

/// A graph of one question as its title and where each edge ends; of none, as it is dumped.
std::string read(Ground& g, NodeId entry) {
  const std::string text = g.dump_from(entry);
  if (text == kHitName || text == kMissName) {
    return text;
  }
  const std::string line = text.substr(0, text.find('\n'));
  const bool yes_first = text.find("  1: return 0x1") != std::string::npos;
  std::string result;
  std::size_t at = 5;
  for (std::size_t arrow = line.find("-> "); arrow != std::string::npos;
       arrow = line.find("-> ", arrow + 1)) {
    const bool is_first = line[arrow + 3] == '1';
    const std::size_t when = line.rfind("  ", arrow) + 2;
    if (result.empty()) {
      result = line.substr(at, when - 2 - at);
    }
    result += "|" + line.substr(when, arrow - when) + (is_first == yes_first ? "1" : "0");
  }
  return result;
}

void expect_questions(std::initializer_list<QuestionRow> rows) {
  for (const QuestionRow& row : rows) {
    Ground g;
    const NodeId entry = row.ask(g);
    EXPECT_EQ(read(g, entry), row.expected) << row.what;
  }
}

std::function<NodeId(Ground&)> in(const std::function<ValueId(Ground&)>& value, std::uint32_t low,
                                  std::uint32_t high) {
  return
      [=](Ground& g) { return ask_interval(g.graph, g.rules, value(g), low, high, g.yes, g.no); };
}

std::function<NodeId(Ground&)> when(const std::function<ValueId(Ground&)>& left,
                                    Condition condition,
                                    const std::function<ValueId(Ground&)>& right) {
  return [=](Ground& g) {
    const ValueId one = left(g);
    return ask(g.graph, g.rules, condition, one, right(g), g.yes, g.no);
  };
}

std::function<ValueId(Ground&)> k(std::uint32_t number) {
  return [=](Ground& g) { return g.k(number); };
}
ValueId p8(Ground& g) {
  return g.p8(14);
}
ValueId p16(Ground& g) {
  return g.p16(20);
}
ValueId p32(Ground& g) {
  return g.p32(26);
}
ValueId length(Ground& g) {
  return g.values().length();
}
std::function<ValueId(Ground&)> op(AluOp op, const std::function<ValueId(Ground&)>& left,
                                   std::uint32_t right) {
  return [=](Ground& g) { return g.op(op, left(g), g.k(right)); };
}

TEST(Question, ArithmeticIsPeeledOff) {
  expect_questions({
      {"shift right", asks("p8[14]", "0x40..0x4f", "else"), in(op(AluOp::Rsh, p8, 4), 4, 4)},
      {"shift right, interval", asks("p8[14]", "0x40..0x6f", "else"),
       in(op(AluOp::Rsh, p8, 4), 4, 6)},
      {"division", asks("p8[14]", "0x40..0x4f", "else"), in(op(AluOp::Div, p8, 16), 4, 4)},
      {"network", asks("p32[26]", "0xc0000200..0xc00002ff", "else"),
       in(op(AluOp::And, p32, 0xffffff00), 0xc0000200, 0xc0000200)},
      {"interval of networks", asks("p32[26]", "0xc0000300..0xc00004ff", "else"),
       in(op(AluOp::And, p32, 0xffffff00), 0xc0000201, 0xc0000410)},
      {"no bit of a mask", "p16[20] & 0x1fff|yes 0|no 1", in(op(AluOp::And, p16, 0x1fff), 0, 0)},
      {"some bit of a mask", asks("p16[20] & 0x1fff"), in(op(AluOp::And, p16, 0x1fff), 1, 0xffff)},
      {"other bits of a mask", asks("(p16[20] & 0x1fff)", "0x5", "else"),
       in(op(AluOp::And, p16, 0x1fff), 5, 5)},
      {"sum", asks("p16[20]", "0x4", "else"), in(op(AluOp::Add, p16, 1), 5, 5)},
      {"difference", asks("p16[20]", "0x6", "else"), in(op(AluOp::Sub, p16, 1), 5, 5)},
      {"sum, interval: it may wrap", asks("(p32[26] + 0x1)", "0x5..0x7", "else"),
       in(op(AluOp::Add, p32, 1), 5, 7)},
      {"shift left", asks("p8[14]", "0x5", "else"), in(op(AluOp::Lsh, p8, 2), 20, 20)},
      {"shift left, interval", asks("p8[14]", "0x6..0x7", "else"),
       in(op(AluOp::Lsh, p8, 2), 21, 31)},
      {"shift left, bits get lost", asks("(p32[26] << 0x2)", "0x14", "else"),
       in(op(AluOp::Lsh, p32, 2), 20, 20)},
      {"several, one around the other", asks("p8[14]", "0x41..0x4f", "else"),
       in(op(AluOp::Lsh, op(AluOp::Sub, p8, 0), 2), 0x104, 0x13f)},
      {"any bit of a shifted value", asks("p8[14] & 0x30"),
       when(op(AluOp::Rsh, p8, 4), Condition::AnyBitSet, k(3))},
      {"any bit, shifted left", asks("p8[14] & 0x3"),
       when(op(AluOp::Lsh, p8, 4), Condition::AnyBitSet, k(0x3f))},
      {"any bit of a masked value", asks("p8[14] & 0x2"),
       when(op(AluOp::And, p8, 0xe), Condition::AnyBitSet, k(3))},
      {"any bit at all", asks("p8[14]", "0x1..0xff", "else"),
       when(p8, Condition::AnyBitSet, k(0xffff))},
  });
}

TEST(Question, ImpossibleAnswersAreNo) {
  expect_questions({
      {"beyond the maximum", kMissName, in(p8, 0x100, 0x100)},
      {"beyond, greater", kMissName, when(p16, Condition::Greater, k(0xffff))},
      {"greater than all", kMissName, when(p32, Condition::Greater, k(0xffffffff))},
      {"a bit that the mask takes away", kMissName, in(op(AluOp::And, p16, 0x1ffe), 1, 1)},
      {"the same, prefix", kMissName, in(op(AluOp::And, p32, 0xffffff00), 0xc0000201, 0xc0000201)},
      {"no multiple of four", kMissName, in(op(AluOp::Lsh, p8, 2), 21, 23)},
      {"beyond the shifted maximum", kMissName, in(op(AluOp::Rsh, p8, 4), 16, 99)},
      {"a sum that cannot be", kMissName, in(op(AluOp::Add, p8, 10), 9, 9)},
      {"bits above the value", kMissName, when(p8, Condition::AnyBitSet, k(0xf00))},
      {"bits that the shift cuts off", kMissName,
       when(op(AluOp::Lsh, p8, 4), Condition::AnyBitSet, k(0xf))},
      {"constant", kMissName, in(k(5), 6, 7)},
      {"constant bits", kMissName, when(k(5), Condition::AnyBitSet, k(2))},
      {"below 0", kMissName, when(k(0), Condition::Greater, p8)},
      {"itself", kMissName, when(p8, Condition::Greater, p8)},
  });
}

TEST(Question, CertainAnswersAreYes) {
  expect_questions({
      {"all there is", kHitName, in(p8, 0, 0xff)},
      {"more than there is", kHitName, in(p8, 0, 0xfffff)},
      {"at least 0", kHitName, when(p32, Condition::GreaterEqual, k(0))},
      {"at most the maximum", kHitName, when(k(0xff), Condition::GreaterEqual, p8)},
      {"constant", kHitName, in(k(5), 5, 7)},
      {"itself", kHitName, when(p8, Condition::Equal, p8)},
      {"itself", kHitName, when(p8, Condition::GreaterEqual, p8)},
      {"all of a masked value", kHitName, in(op(AluOp::And, p16, 0x10), 0, 0x10)},
  });
}

TEST(Question, ConstantsMayStandOnTheLeft) {
  expect_questions({
      {"k == v", asks("p8[14]", "0x5", "else"), when(k(5), Condition::Equal, p8)},
      {"k > v", asks("p8[14]", "0x0..0x4", "else"), when(k(5), Condition::Greater, p8)},
      {"k >= v", asks("p8[14]", "0x0..0x5", "else"), when(k(5), Condition::GreaterEqual, p8)},
      {"k & v", asks("p8[14] & 0x5"), when(k(5), Condition::AnyBitSet, p8)},
      {"v > k", asks("p8[14]", "0x6..0xff", "else"), when(p8, Condition::Greater, k(5))},
      {"v >= k", asks("p8[14]", "0x5..0xff", "else"), when(p8, Condition::GreaterEqual, k(5))},
  });
}

TEST(Question, BetweenValues) {
  expect_questions({
      {"==", asks("p8[14] == p16[20]"), when(p8, Condition::Equal, p16)},
      {">", asks("p8[14] > p16[20]"), when(p8, Condition::Greater, p16)},
      {">=", asks("p8[14] >= p16[20]"), when(p8, Condition::GreaterEqual, p16)},
      {"&", asks("p8[14] & p16[20]"), when(p8, Condition::AnyBitSet, p16)},
      {"any bit of itself", asks("p8[14]", "0x1..0xff", "else"),
       when(p8, Condition::AnyBitSet, p8)},
  });
}

TEST(Question, TheLengthIsAGuard) {
  expect_questions({
      {"> 511", asks("has p[..512]"), when(length, Condition::Greater, k(511))},
      {">= 512", asks("has p[..512]"), when(length, Condition::GreaterEqual, k(512))},
      {"at most 511", "has p[..512]|yes 0|no 1", in(length, 0, 511)},
      {"an exact length is a comparison", asks("length", "0x200", "else"), in(length, 512, 512)},
      {"longer than any packet", kMissName, when(length, Condition::Greater, k(0x10000))},
      {"shorter than that", kHitName, in(length, 0, 0x10000)},
      {"wire length", asks("length", "0x200..0xffffffff", "else"),
       [](Ground& g) {
         g.rules.length_is_bytes = false;
         return ask(g.graph, g.rules, Condition::Greater, g.values().length(), g.k(511), g.yes,
                    g.no);
       }},
  });
}

std::function<NodeId(Ground&)> fits(const std::function<ValueId(Ground&)>& index,
                                    std::int64_t begin, std::int64_t end) {
  return [=](Ground& g) {
    return ask_fits(g.graph, g.rules, index ? std::optional(index(g)) : std::nullopt, begin, end,
                    g.yes, g.no);
  };
}

TEST(Question, Bytes) {
  expect_questions({
      {"from the start", asks("has p[..14]"), fits(nullptr, 12, 14)},
      {"none", kHitName, fits(nullptr, 0, 0)},
      {"all that can be", asks("has p[..65535]"), fits(nullptr, 0, 0xffff)},
      {"more", kMissName, fits(nullptr, 0, 0x10000)},
      {"relative", asks("has p[p8[14] + 0..4]"), fits(p8, 2, 4)},
      {"before", asks("has p[p8[14] + -4..0]"), fits(p8, -4, 0)},
      {"a span no packet has", kMissName, fits(p8, 2, 0x10003)},
      {"known index", asks("has p[..24]"), fits(k(20), 2, 4)},
      {"known index, wrapped to before the start", kMissName, fits(k(1), -2, 0)},
      {"known index, wrapped to the start", asks("has p[..3]"), fits(k(0xffffffff), 2, 4)},
  });
}

TEST(Question, WithEqualArmsIsNone) {
  Ground g;
  const std::size_t nodes = g.graph.nodes.size();
  EXPECT_EQ(ask_interval(g.graph, g.rules, g.p8(0), 1, 2, g.yes, g.yes), g.yes);
  EXPECT_EQ(ask(g.graph, g.rules, Condition::Equal, g.p8(0), g.p8(1), g.yes, g.yes), g.yes);
  EXPECT_EQ(ask(g.graph, g.rules, Condition::AnyBitSet, g.p8(0), g.k(3), g.yes, g.yes), g.yes);
  EXPECT_EQ(ask_fits(g.graph, g.rules, std::nullopt, 0, 14, g.yes, g.yes), g.yes);
  EXPECT_EQ(g.graph.nodes.size(), nodes);
}

}  // namespace
}  // namespace cbpfc::optimizer
