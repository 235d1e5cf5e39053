// SPDX-License-Identifier: BSD-3-Clause
//
// Sets of a thousand and of five thousand rules, with registers to spare so that values stay where they are: the verifier walks it
// in its million instructions only if it forgets what it learns (cbpfc/emit/forget.cc).  Packets
// match rules in part, since it is behind such matches that values are loaded again.

#include "base/testing/drop_rules.h"

#include <cbpfc/pcap_filter.h>
#include <gtest/gtest.h>

#include <set>

#include "verify/differential/engines/agreement.h"
#include "verify/differential/engines/set_engines.h"
#include "verify/differential/generators/dice.h"

namespace differential {
namespace {

using xdpcap::test::DropRule;

std::vector<cbpfc::Filter> compile(const std::vector<DropRule>& rules) {
  std::vector<cbpfc::Filter> filters;
  for (const DropRule& rule : rules) {
    const auto program = cbpfc::compile_expression(rule.expression(), {});
    EXPECT_TRUE(program) << rule.expression();
    filters.push_back(*cbpfc::Filter::decode(*program));
  }
  return filters;
}

/// A packet for one rule, with some of it from others.
Packet packet_for(const std::vector<DropRule>& rules, Dice& dice) {
  Packet packet(512);
  const auto put = [&](std::size_t at, std::size_t size, std::uint32_t value) {
    for (; size-- > 0; value >>= 8) {
      packet[at + size] = static_cast<std::uint8_t>(value);
    }
  };
  const DropRule& one = dice.pick(rules);
  const auto any = [&]() -> const DropRule& { return dice.one_in(4) ? dice.pick(rules) : one; };
  const bool is_tcp = any().is_tcp();
  put(12, 2, 0x0800);
  put(14, 1, 0x45);
  put(23, 1, is_tcp ? 6 : 17);
  put(26, 4, any().source);
  put(30, 4, any().victim);
  put(34, 2, any().port);
  put(36, 2, any().port);
  if (is_tcp) {
    put(46, 2, 0x5002);  // SYN
    put(48, 2, any().number);
  } else {
    put(42, 4, any().number);
  }
  if (dice.one_in(8)) {
    packet.resize(dice.between(14, 64));
  }
  return packet;
}

class DropRules : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Of, DropRules, testing::Values(1000, 5000));

TEST_P(DropRules, TheFirstThatMatchesIsNamed) {
  const std::vector<DropRule> rules = xdpcap::test::drop_rules(GetParam());
  std::set<std::string> different;
  for (const DropRule& rule : rules) {
    different.insert(rule.expression());
  }
  ASSERT_EQ(different.size(), rules.size());
  const std::vector<cbpfc::Filter> filters = compile(rules);
  XdpRunner runner;
  EbpfEngine engine(runner, configuration("optimised, more registers"));
  const std::string refusal =
      engine.load([&](const Configuration& configuration, std::uint32_t offset) {
        return compile_set_fragment(filters, configuration, offset);
      });
  ASSERT_EQ(refusal, "");
  Dice dice(5);
  int matched = 0;
  for (int i = 0; i < 2000; ++i) {
    const Packet packet = packet_for(rules, dice);
    const std::uint32_t expected = SetEngines::expected(filters, packet);
    ASSERT_EQ(run_fragment(engine, "in the kernel", packet, expected), "") << "packet " << i;
    matched += expected != 0 ? 1 : 0;
  }
  EXPECT_GT(matched, 200);
  EXPECT_LT(matched, 1800);
}

}  // namespace
}  // namespace differential
