// SPDX-License-Identifier: BSD-3-Clause
//
// The limits of lifting; tests/golden/lift has the graphs of programs.

#include "cbpfc/optimizer/lift.h"

#include <set>

#include "cbpfc/optimizer/phi_cells.h"
#include "unit/cbpfc/optimizer/optimizer_support.h"

namespace cbpfc::optimizer {
namespace {

std::optional<Graph> try_lift(const std::string& listing) {
  return lift_filter(straight_cfg(filter(listing)), PacketRules{});
}

/// Two ways that store `cells` different numbers, all of which are read behind their join.
std::string many_cells(int cells) {
  std::vector<std::string> insns = {"ldb [0]"};
  insns.push_back("jeq #1 jt 2 jf " + std::to_string(2 + 2 * cells + 1));
  for (int way = 0; way < 2; ++way) {
    for (int i = 0; i < cells; ++i) {
      insns.push_back("ld #" + std::to_string(100 * way + i));
      insns.push_back("st M[" + std::to_string(i) + "]");
    }
    if (way == 0) {
      insns.push_back("ja " + std::to_string(2 + 4 * cells + 1));
    }
  }
  const int checks = 9;  // enough blocks behind the join that it is not copied
  const int end = static_cast<int>(insns.size()) + 2 * checks + 2 * cells + 1;
  for (int i = 0; i < checks; ++i) {
    insns.push_back("ldb [" + std::to_string(i) + "]");
    insns.push_back("jeq #7 jt " + std::to_string(insns.size() + 1) + " jf " + std::to_string(end));
  }
  for (int i = 0; i < cells; ++i) {
    insns.push_back("ldx M[" + std::to_string(i) + "]");
    insns.push_back("add x");
  }
  insns.push_back("ret");
  insns.push_back("ret #0");
  std::string text;
  for (std::size_t i = 0; i < insns.size(); ++i) {
    text += "(" + std::to_string(i) + ") " + insns[i] + "\n";
  }
  return text;
}

TEST(Lift, SixteenCellsAreTheMost) {
  const auto graph = try_lift(many_cells(16));
  ASSERT_TRUE(graph);
  EXPECT_EQ(graph->values.phis(), 16U);
}

TEST(Lift, MoreCellsAreGivenUp) {
  // A and X and all sixteen slots differ: eighteen.
  std::string text = many_cells(16);
  const auto raw = parse_program(text);
  ASSERT_TRUE(raw);
  std::vector<RawInsn> program = *raw;
  // Behind the join A is read first: "ldb [0]" becomes a comparison of the A that both ways left.
  program[2 + 4 * 16 + 1] = RawInsn{.code = 0x04, .jt = 0, .jf = 0, .k = 1};  // add #1
  const auto decoded = Filter::decode(program);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_FALSE(lift_filter(straight_cfg(*decoded), PacketRules{}));
}

TEST(Lift, LoopsAreLeftToThePlainCode) {
  Cfg cfg =
      straight_cfg(filter("(000) ldb [0]\n(001) jeq #1 jt 2 jf 3\n(002) ret #1\n(003) ret\n"));
  EXPECT_TRUE(lift_filter(cfg, PacketRules{}));
  std::get<Branch>(cfg.blocks[0].exit).if_false = 0;
  EXPECT_FALSE(lift_filter(cfg, PacketRules{}));
}

TEST(Lift, ASetGoesOnToTheNextFilter) {
  const Cfg cfgs[] = {
      straight_cfg(filter("(000) ldb [0]\n(001) jeq #1 jt 2 jf 3\n(002) ret #5\n(003) ret #0\n")),
      straight_cfg(filter("(000) ldb [1]\n(001) ret\n")), straight_cfg(filter("(000) ret #9\n"))};
  const auto graph = lift_set(cfgs, PacketRules{});
  ASSERT_TRUE(graph);
  EXPECT_EQ(check_graph(*graph), "");
  EXPECT_EQ(dump(*graph),
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
  const auto slots = place_phis(g.graph, topological_order(g.graph));
  ASSERT_TRUE(slots);
  ASSERT_EQ(slots->size(), 3U);
  EXPECT_NE((*slots)[0], (*slots)[1]);
  EXPECT_TRUE((*slots)[2] == (*slots)[0] || (*slots)[2] == (*slots)[1])
      << "a free slot is used again";
}

TEST(PhiCells, SixteenAtOnce) {
  for (const std::size_t cells : {16U, 17U}) {
    Ground g;
    std::vector<ValueId> phis;
    for (std::size_t i = 0; i < cells; ++i) {
      phis.push_back(g.values().new_phi());
    }
    NodeId next = g.yes;
    for (const ValueId phi : phis) {
      next = g.is(phi, 1, next, g.no);
    }
    for (const ValueId phi : phis) {
      next = g.graph.add(SetPhi{.phi = phi, .value = g.p8(0), .next = next});
    }
    g.graph.entry = next;
    const auto slots = place_phis(g.graph, topological_order(g.graph));
    ASSERT_EQ(slots.has_value(), cells == 16);
    if (slots) {
      EXPECT_EQ(std::set<std::uint8_t>(slots->begin(), slots->end()).size(), 16U);
    }
  }
}

}  // namespace
}  // namespace cbpfc::optimizer
