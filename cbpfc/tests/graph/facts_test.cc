// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/facts.h"

#include <limits>

#include "cbpfc/tests/graph/optimizer_support.h"

namespace cbpfc::optimizer {
namespace {

constexpr NodeId kHit = 100;
constexpr NodeId kMiss = 200;
constexpr NodeId kOther = 300;
constexpr NodeId kOpen = 0;  ///< both ways are left

class FactsTest : public ::testing::Test {
 protected:
  Values values;
  ValueId byte = values.load(Size::Byte, std::nullopt, 0);
  ValueId word = values.load(Size::Word, std::nullopt, 4);
  Facts facts{0xffff};

  NodeId decide(const Facts& from, const Node& node) const {
    return from.decide(values, node).value_or(kOpen);
  }
  NodeId in(std::uint32_t low, std::uint32_t high) const { return in(facts, low, high); }
  NodeId in(const Facts& from, std::uint32_t low, std::uint32_t high) const {
    return decide(from, Switch{.value = word,
                               .cases = {{.low = low, .high = high, .target = kHit}},
                               .otherwise = kMiss});
  }
  NodeId any_bit(std::uint32_t mask) const { return any_bit(facts, mask); }
  NodeId any_bit(const Facts& from, std::uint32_t mask) const {
    return decide(from, AnyBit{.value = word, .mask = mask, .if_set = kHit, .if_clear = kMiss});
  }
  NodeId has(const Facts& from, std::optional<ValueId> index, std::int64_t begin,
             std::int64_t end) const {
    return decide(
        from,
        Fits{.index = index, .begin = begin, .end = end, .if_inside = kHit, .if_outside = kMiss});
  }
  NodeId has(std::int64_t end) const { return has(facts, std::nullopt, 0, end); }
  NodeId has_at(std::int64_t begin, std::int64_t end) const { return has(facts, word, begin, end); }

  void learn(std::uint32_t low, std::uint32_t high) { learn(facts, low, high); }
  void learn(Facts& to, std::uint32_t low, std::uint32_t high) const {
    to.learn_interval(word, low, high, 0xffffffff);
  }
  void learn_not(std::uint32_t low, std::uint32_t high) { learn_not(facts, low, high); }
  void learn_not(Facts& to, std::uint32_t low, std::uint32_t high) const {
    to.learn_not(word, low, high, 0xffffffff);
  }
};

TEST_F(FactsTest, NothingIsKnownAtFirst) {
  EXPECT_EQ(in(5, 5), kOpen);
  EXPECT_EQ(any_bit(1), kOpen);
  EXPECT_EQ(has(1), kOpen);
  EXPECT_EQ(has(0xffff), kOpen);
  EXPECT_EQ(has(0x10000), kMiss) << "no packet is that long";
}

TEST_F(FactsTest, Intervals) {
  learn(10, 20);
  EXPECT_EQ(in(10, 20), kHit);
  EXPECT_EQ(in(5, 25), kHit);
  EXPECT_EQ(in(0, 9), kMiss);
  EXPECT_EQ(in(21, 0xffffffff), kMiss);
  EXPECT_EQ(in(15, 15), kOpen);
  EXPECT_EQ(in(15, 25), kOpen);
  learn(15, 30);
  EXPECT_EQ(in(15, 20), kHit);
  EXPECT_EQ(in(10, 14), kMiss);
  learn(99, 100);  // no packet comes here: nothing is spoiled
  EXPECT_EQ(in(15, 20), kHit);
}

TEST_F(FactsTest, ASwitchIsDecidedWhenOneArmIsLeft) {
  const Switch many{.value = word,
                    .cases = {{.low = 1, .high = 1, .target = kHit},
                              {.low = 2, .high = 5, .target = kHit},
                              {.low = 7, .high = 7, .target = kOther}},
                    .otherwise = kMiss};
  const auto between = [&](std::uint32_t low, std::uint32_t high) {
    Facts known(0xffff);
    learn(known, low, high);
    return decide(known, many);
  };
  EXPECT_EQ(between(1, 5), kHit);
  EXPECT_EQ(between(3, 4), kHit);
  EXPECT_EQ(between(0, 1), kOpen);
  EXPECT_EQ(between(5, 6), kOpen);
  EXPECT_EQ(between(6, 6), kMiss);
  EXPECT_EQ(between(7, 7), kOther);
  EXPECT_EQ(between(8, 0xffffffff), kMiss);
  EXPECT_EQ(between(5, 7), kOpen);
}

TEST_F(FactsTest, ExclusionsMoveBounds) {
  learn(10, 20);
  learn_not(12, 12);
  learn_not(11, 11);
  EXPECT_EQ(in(10, 10), kOpen);
  EXPECT_EQ(in(11, 11), kMiss);
  learn_not(10, 10);  // and with it 11 and 12
  EXPECT_EQ(in(13, 20), kHit);
  learn_not(19, 25);
  EXPECT_EQ(in(13, 18), kHit);
  learn_not(0, 14);
  EXPECT_EQ(in(15, 18), kHit);
  EXPECT_EQ(in(14, 15), kOpen);
  learn_not(16, 17);  // in the middle: not kept
  EXPECT_EQ(in(16, 17), kOpen);
  learn_not(16, 18);
  EXPECT_EQ(in(15, 15), kHit);
}

TEST_F(FactsTest, ExclusionsAreForgottenNotWrong) {
  for (std::uint32_t number = 100; number < 140; ++number) {
    learn_not(number * 2, number * 2);
  }
  EXPECT_EQ(in(139 * 2, 139 * 2), kMiss);
  EXPECT_EQ(in(100 * 2, 100 * 2), kOpen);
  EXPECT_FALSE(facts.may_be_in(word, 139 * 2, 139 * 2));
  EXPECT_TRUE(facts.may_be_in(word, 139 * 2, 139 * 2 + 1));
  EXPECT_TRUE(facts.may_be_in(byte, 3, 3));
}

TEST_F(FactsTest, ValuesAreForgottenNotWrong) {
  learn(5, 5);
  for (std::uint32_t offset = 100; offset < 130; ++offset) {
    facts.learn_interval(values.load(Size::Byte, std::nullopt, offset), 1, 1, 0xff);
  }
  EXPECT_EQ(in(5, 5), kOpen);
  EXPECT_FALSE(facts.may_be_in(values.load(Size::Byte, std::nullopt, 129), 2, 2));
}

TEST_F(FactsTest, Bits) {
  facts.learn_any_bit(word, 0x30, false, 0xffffffff);
  EXPECT_EQ(any_bit(0x30), kMiss);
  EXPECT_EQ(any_bit(0x10), kMiss);
  EXPECT_EQ(any_bit(0x70), kOpen);
  EXPECT_EQ(in(0x10, 0x10), kMiss);
  facts.learn_any_bit(word, 0xc0, true, 0xffffffff);
  EXPECT_EQ(any_bit(0xc0), kHit);
  EXPECT_EQ(any_bit(0xff), kHit);
  EXPECT_EQ(any_bit(0x40), kOpen);
  EXPECT_EQ(in(0, 0), kMiss) << "some bit is set";
  EXPECT_EQ(in(0x1, 0x1), kMiss) << "none of c0";
  EXPECT_EQ(in(0x80, 0x80), kOpen);
  learn(0x82, 0x82);
  EXPECT_EQ(any_bit(0x2), kHit);
  EXPECT_EQ(any_bit(0x1), kMiss);
}

TEST_F(FactsTest, TheLength) {
  facts.learn_fits(std::nullopt, 0, 34, true);
  EXPECT_EQ(has(34), kHit);
  EXPECT_EQ(has(14), kHit);
  EXPECT_EQ(has(35), kOpen);
  facts.learn_fits(std::nullopt, 0, 60, false);
  EXPECT_EQ(has(60), kMiss);
  EXPECT_EQ(has(59), kOpen);
  // relative to an index: what is wider than the packet is outside, an index with a bound may be inside
  EXPECT_EQ(has_at(0, 60), kMiss);
  EXPECT_EQ(has_at(0, 59), kOpen);
  learn(0, 20);
  EXPECT_EQ(has_at(0, 14), kHit);
  EXPECT_EQ(has_at(0, 15), kOpen);
  EXPECT_EQ(has_at(-2, 14), kOpen) << "it might begin before the packet";
}

TEST_F(FactsTest, BytesAtAnIndexThatAreThere) {
  facts.learn_fits(word, 14, 16, true);
  EXPECT_EQ(has_at(14, 16), kHit);
  EXPECT_EQ(has_at(15, 16), kHit);
  EXPECT_EQ(has_at(14, 18), kOpen);
  EXPECT_EQ(has_at(12, 16), kOpen) << "what lies before may be before the packet";
  EXPECT_EQ(has(facts, byte, 14, 16), kOpen) << "another index";
  EXPECT_EQ(has(2), kHit) << "a packet with two bytes somewhere has two";
  EXPECT_EQ(has(3), kOpen);
  facts.learn_fits(word, 16, 18, true);
  EXPECT_EQ(has_at(14, 18), kHit);
  facts.learn_fits(word, 18, 24, false);
  EXPECT_EQ(has_at(18, 24), kMiss);
  EXPECT_EQ(has_at(14, 30), kMiss);
  EXPECT_EQ(has_at(16, 26), kMiss);
  EXPECT_EQ(has_at(18, 22), kOpen);
  EXPECT_EQ(has_at(20, 24), kOpen) << "a later begin may wrap into the packet";
  EXPECT_EQ(has_at(10, 24), kOpen);
}

TEST_F(FactsTest, BytesAtAnIndexThatAreNotThere) {
  facts.learn_fits(word, 14, 18, false);
  EXPECT_EQ(has_at(14, 18), kMiss);
  EXPECT_EQ(has_at(14, 20), kMiss);
  EXPECT_EQ(has_at(14, 16), kOpen);
  EXPECT_EQ(has_at(16, 18), kOpen) << "index + 16 may be 0 where index + 14 is not";
  EXPECT_EQ(has_at(12, 18), kOpen);
  facts.learn_fits(word, 14, 16, true);
  EXPECT_EQ(has_at(14, 16), kHit);
  EXPECT_EQ(has_at(16, 18), kMiss) << "index + 14 is in the packet: no wrap";
}

TEST_F(FactsTest, MeetKeepsWhatHoldsOnBoth) {
  Facts other(0xffff);
  learn(10, 20);
  learn(other, 15, 30);
  learn_not(facts, 17, 17);
  learn_not(other, 17, 17);
  learn_not(facts, 18, 18);
  facts.learn_fits(std::nullopt, 0, 34, true);
  other.learn_fits(std::nullopt, 0, 54, true);
  facts.learn_fits(std::nullopt, 0, 60, false);
  other.learn_fits(std::nullopt, 0, 70, false);
  for (const Facts& both : {Facts::meet(facts, other), Facts::meet(other, facts)}) {
    EXPECT_EQ(in(both, 10, 30), kHit);
    EXPECT_EQ(in(both, 10, 29), kOpen);
    EXPECT_EQ(in(both, 11, 30), kOpen);
    EXPECT_EQ(in(both, 17, 17), kMiss);
    EXPECT_EQ(in(both, 18, 18), kOpen);
    EXPECT_EQ(has(both, std::nullopt, 0, 34), kHit);
    EXPECT_EQ(has(both, std::nullopt, 0, 35), kOpen);
    EXPECT_EQ(has(both, std::nullopt, 0, 70), kMiss);
    EXPECT_EQ(has(both, std::nullopt, 0, 69), kOpen);
  }
}

TEST_F(FactsTest, MeetOfExclusionAndIntervalThatExcludesToo) {
  Facts other(0xffff);
  learn_not(facts, 17, 17);
  learn(other, 100, 200);
  for (const Facts& both : {Facts::meet(facts, other), Facts::meet(other, facts)}) {
    EXPECT_EQ(in(both, 17, 17), kMiss);
    EXPECT_EQ(in(both, 18, 18), kOpen);
  }
}

TEST_F(FactsTest, MeetForgetsWhatOneSideDoesNotKnow) {
  learn(10, 20);
  EXPECT_EQ(in(Facts::meet(facts, Facts(0xffff)), 10, 20), kOpen);
  EXPECT_EQ(in(Facts::meet(Facts(0xffff), facts), 10, 20), kOpen);
}

TEST_F(FactsTest, MeetOfBits) {
  Facts other(0xffff);
  facts.learn_any_bit(word, 0x30, false, 0xffffffff);
  other.learn_any_bit(word, 0x10, false, 0xffffffff);
  facts.learn_any_bit(word, 0x1, true, 0xffffffff);
  other.learn_any_bit(word, 0x2, true, 0xffffffff);
  const Facts both = Facts::meet(facts, other);
  EXPECT_EQ(any_bit(both, 0x10), kMiss);
  EXPECT_EQ(any_bit(both, 0x20), kOpen);
  EXPECT_EQ(any_bit(both, 0x3), kHit);
  EXPECT_EQ(any_bit(both, 0x1), kOpen);
}

TEST_F(FactsTest, MeetOfBytesAtAnIndex) {
  Facts other(0xffff);
  facts.learn_fits(word, 14, 18, true);
  other.learn_fits(word, 14, 16, true);
  facts.learn_fits(word, 18, 22, false);
  other.learn_fits(word, 16, 20, false);
  const Facts both = Facts::meet(facts, other);
  EXPECT_EQ(has(both, word, 14, 16), kHit);
  EXPECT_EQ(has(both, word, 14, 18), kOpen);
  EXPECT_EQ(has(both, word, 14, 22), kMiss);
  EXPECT_EQ(has(both, word, 14, 20), kOpen);
}

TEST_F(FactsTest, MeetingsDoNotMultiplyWhatIsKnownOfTheSameBytes) {
  facts.learn_fits(word, 14, 18, false);
  facts.learn_fits(word, 14, 16, false);
  Facts both = facts;
  for (int i = 0; i < 8; ++i) {  // each would square their number
    both = Facts::meet(both, both);
  }
  EXPECT_EQ(has(both, word, 14, 18), kMiss);
}

TEST_F(FactsTest, EdgesTeachWhatTheyAnswer) {
  const Node many =
      Switch{.value = word,
             .cases = {{.low = 1, .high = 1, .target = 0}, {.low = 5, .high = 9, .target = 0}},
             .otherwise = 0};
  EXPECT_EQ(in(facts_on_edge(values, many, 0, facts), 1, 1), kHit);
  EXPECT_EQ(in(facts_on_edge(values, many, 1, facts), 5, 9), kHit);
  EXPECT_EQ(in(facts_on_edge(values, many, 2, facts), 1, 1), kMiss);
  const Node bits = AnyBit{.value = word, .mask = 6, .if_set = 0, .if_clear = 0};
  EXPECT_EQ(any_bit(facts_on_edge(values, bits, 0, facts), 6), kHit);
  EXPECT_EQ(any_bit(facts_on_edge(values, bits, 1, facts), 6), kMiss);
  const Node fits =
      Fits{.index = std::nullopt, .begin = 0, .end = 34, .if_inside = 0, .if_outside = 0};
  EXPECT_EQ(has(facts_on_edge(values, fits, 0, facts), std::nullopt, 0, 34), kHit);
  EXPECT_EQ(has(facts_on_edge(values, fits, 1, facts), std::nullopt, 0, 34), kMiss);
  const Node compare = Compare{
      .condition = Condition::Equal, .left = word, .right = byte, .if_true = 0, .if_false = 0};
  EXPECT_EQ(decide(facts_on_edge(values, compare, 0, facts), compare), kOpen);
}

TEST_F(FactsTest, TellsWhichValuesOthersKnowMoreOf) {
  using Ids = std::vector<ValueId>;
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  Facts other = facts;
  EXPECT_EQ(facts.values_known_less(other), Ids{});
  other.learn_interval(word, 5, 9, kMost);
  other.learn_not(word, 7, 7, kMost);
  EXPECT_EQ(facts.values_known_less(other), Ids{word});
  EXPECT_EQ(other.values_known_less(facts), Ids{}) << "knowing more is no loss";
  facts.learn_interval(word, 6, 7, kMost);
  EXPECT_EQ(facts.values_known_less(other), Ids{word}) << "it may be 7";
  facts.learn_not(word, 7, 7, kMost);
  EXPECT_EQ(facts.values_known_less(other), Ids{});
  EXPECT_EQ(facts.bounds(word), std::pair(6U, 6U));
  EXPECT_EQ(facts.bounds(byte), std::pair(0U, kMost)) << "nothing is known";

  other.learn_any_bit(byte, 4, false, 0xff);
  EXPECT_EQ(facts.values_known_less(other), Ids{byte});
  facts.learn_any_bit(byte, 6, false, 0xff);
  EXPECT_EQ(facts.values_known_less(other), Ids{});

  other.learn_fits(std::nullopt, 0, 34, true);
  EXPECT_EQ(facts.values_known_less(other), std::nullopt) << "the length";
  facts.learn_fits(std::nullopt, 0, 40, true);
  EXPECT_EQ(facts.values_known_less(other), Ids{});
  other.learn_fits(word, 14, 16, true);
  EXPECT_EQ(facts.values_known_less(other), std::nullopt) << "bytes at an index";
}

}  // namespace
}  // namespace cbpfc::optimizer
