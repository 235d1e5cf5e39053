// SPDX-License-Identifier: BSD-3-Clause
//
// What lifting makes cells of; cbpfc/tests/golden/lift has the graphs of programs.

#include "cbpfc/graph/lift.h"

#include "cbpfc/tests/graph/optimizer_support.h"

namespace cbpfc::optimizer {
namespace {

Graph lift_listing(const std::string& listing) {
  return lifted(filter(listing));
}

TEST(Lift, WhatTakesManyRegistersOrPartsGoesIntoACell) {
  // A sum of seventeen bytes.
  std::string text = "(000) ld #0\n";
  int at = 1;
  for (int i = 0; i < 17; ++i) {
    text += "(" + std::to_string(at++) + ") tax\n";
    text += "(" + std::to_string(at++) + ") ldb [" + std::to_string(i) + "]\n";
    text += "(" + std::to_string(at++) + ") add x\n";
  }
  text += "(" + std::to_string(at) + ") ret\n";
  const Graph graph = lift_listing(text);
  EXPECT_EQ(graph.values.phis(), 2U) << dump(graph);
  const Graph indexed = lift_listing(
      "(000) ldb [0]\n(001) tax\n(002) ldb [x + 1]\n(003) st M[0]\n(004) tax\n(005) ldb [x + 2]\n"
      "(006) tax\n(007) ld M[0]\n(008) mul x\n(009) tax\n(010) ldb [x + 3]\n(011) mul x\n(012) ret\n");
  EXPECT_EQ(dump(indexed),
            "  0: has p[..1]  yes -> 1  no -> 6\n"
            "  1: has p[p8[0] + 0..2]  yes -> 2  no -> 6\n"
            "  2: has p[p8[p8[0] + 1] + 0..3]  yes -> 3  no -> 6\n"
            "  3: phi0 = (p8[p8[0] + 1] * p8[p8[p8[0] + 1] + 2])  -> 4\n"
            "  4: has p[phi0 + 3..4]  yes -> 5  no -> 6\n"
            "  5: return (phi0 * p8[phi0 + 3])\n"
            "  6: return 0x0\n");
}

TEST(Lift, LoopsAreWrittenOut) {
  const auto raw = parse_program(
      "(000) ldb [0]\n(001) tax\n(002) ldb [x + 1]\n(003) tax\n(004) jeq #7 jt 6 jf 5\n(005) ja 2\n"
      "(006) ret #1\n");
  ASSERT_TRUE(raw) << raw.error().message;
  const Graph graph = lifted(*Filter::decode(*raw, Accept::Compiler));
  EXPECT_EQ(check_graph(graph), "");
  std::size_t comparisons = 0;
  for (const NodeId id : topological_order(graph)) {
    comparisons += std::holds_alternative<Switch>(graph.nodes[id]) ? 1U : 0U;
  }
  EXPECT_EQ(comparisons, kMostLoopTrips + 1);
}

TEST(Lift, AHelpersAnswerIsACell) {
  // ld #cpu; tax; ld #rand; add x; ret
  const auto raw = parse_program("5,32 0 0 4294963236,7 0 0 0,32 0 0 4294963256,12 0 0 0,22 0 0 0");
  ASSERT_TRUE(raw) << raw.error().message;
  const auto cfg = build_cfg(*Filter::decode(*raw), 0xffff, {.helpers = true});
  ASSERT_TRUE(cfg) << cfg.error().message;
  EXPECT_EQ(dump(lift_filter(*cfg, PacketRules{})),
            "  0: phi0 = call 8  -> 1\n"
            "  1: phi1 = call 7  -> 2\n"
            "  2: return (phi0 + phi1)\n");
}

TEST(Lift, ASetGoesOnToTheNextFilter) {
  const Cfg cfgs[] = {
      straight_cfg(filter("(000) ldb [0]\n(001) jeq #1 jt 2 jf 3\n(002) ret #5\n(003) ret #0\n")),
      straight_cfg(filter("(000) ldb [1]\n(001) ret\n")), straight_cfg(filter("(000) ret #9\n"))};
  const Graph graph = lift_set(cfgs, PacketRules{});
  EXPECT_EQ(check_graph(graph), "");
  EXPECT_EQ(dump(graph),
            "  0: has p[..1]  yes -> 1  no -> 3\n"
            "  1: p8[0]  0x1 -> 2  else -> 3\n"
            "  2: return 0x1\n"
            "  3: has p[..2]  yes -> 4  no -> 6\n"
            "  4: p8[1]  0x0 -> 6  else -> 5\n"
            "  5: return 0x2\n"
            "  6: return 0x3\n");
}

TEST(PhiCells, CellsThatAreAliveTogetherLieApart) {
  Ground g;
  const ValueId a = g.values().new_phi();
  const ValueId b = g.values().new_phi();
  const ValueId c = g.values().new_phi();
  const auto set = [&](ValueId phi, std::uint32_t number, NodeId next) {
    return g.graph.add(SetPhi{.phi = phi, .value = g.k(number), .next = next});
  };
  // a and b together, then c alone
  const NodeId use_c = set(c, 9, g.is(c, 9, g.yes, g.no));
  const NodeId use_a = g.is(g.values().load(Size::Byte, a, 14), 1, use_c, g.no);
  g.graph.entry = set(a, 1, set(b, 2, g.is(b, 2, use_a, g.no)));
  const CellSlots slots = place_cells(g.graph, topological_order(g.graph));
  EXPECT_NE(slots[0], slots[1]);
  EXPECT_TRUE(slots[2] == slots[0] || slots[2] == slots[1]) << "a free slot is used again";
}

TEST(PhiCells, ACopyLiesWhereItsOriginalLay) {
  Ground g;
  const ValueId other = g.values().new_phi();
  const ValueId original = g.values().new_phi();
  const ValueId copy = g.values().new_phi();
  const auto set = [&](ValueId phi, ValueId value, NodeId next) {
    return g.graph.add(SetPhi{.phi = phi, .value = value, .next = next});
  };
  const NodeId ask = g.is(copy, 1, g.is(other, 1, g.yes, g.no), g.no);
  g.graph.entry = set(other, g.p8(0), set(original, g.p8(1), set(copy, original, ask)));
  const std::vector<NodeId> order = topological_order(g.graph);
  const CellSlots slots = place_cells(g.graph, order);
  EXPECT_EQ(slots[1], slots[2]);
  EXPECT_NE(slots[0], slots[1]);
}

}  // namespace
}  // namespace cbpfc::optimizer
