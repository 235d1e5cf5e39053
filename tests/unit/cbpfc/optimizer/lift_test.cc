// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/optimizer/lift.h"

#include <set>

#include "cbpfc/optimizer/phi_cells.h"
#include "unit/cbpfc/optimizer/optimizer_support.h"

namespace cbpfc::optimizer {
namespace {

std::optional<Graph> try_lift(const std::string& listing) {
  return lift_filter(straight_cfg(filter(listing)), PacketRules{});
}

std::string lift_dump(const std::string& listing) {
  auto graph = try_lift(listing);
  if (!graph) {
    return "given up";
  }
  EXPECT_EQ(check_graph(*graph), "");
  return dump(*graph);
}

TEST(Lift, QuestionsInOrder) {
  EXPECT_EQ(lift_dump("(000) ldh [12]\n(001) jeq #0x800 jt 2 jf 5\n(002) ldb [23]\n"
                      "(003) jeq #0x11 jt 4 jf 5\n(004) ret #262144\n(005) ret #0\n"),
            "  0: has p[..14]  yes -> 1  no -> 5\n"
            "  1: p16[12]  0x800 -> 2  else -> 5\n"
            "  2: has p[..24]  yes -> 3  no -> 5\n"
            "  3: p8[23]  0x11 -> 4  else -> 5\n"
            "  4: return 0x40000\n"
            "  5: return 0x0\n");
}

TEST(Lift, EveryKindOfStep) {
  EXPECT_EQ(
      lift_dump("(000) ldxb 4*([14]&0xf)\n(001) ldh [x + 16]\n(002) st M[3]\n(003) ld #pktlen\n"
                "(004) tax\n(005) ld M[3]\n(006) add x\n(007) neg\n(008) div x\n(009) ret\n"),
      "  0: has p[..15]  yes -> 1  no -> 4\n"
      "  1: has p[((p8[14] & 0xf) << 0x2) + 16..18]  yes -> 2  no -> 4\n"
      "  2: has p[..1]  yes -> 3  no -> 4\n"
      "  3: return ((0x0 - (p16[((p8[14] & 0xf) << 0x2) + 16] + length)) / length)\n"
      "  4: return 0x0\n");
}

TEST(Lift, LoadsWithAKnownIndexAreAbsolute) {
  EXPECT_EQ(lift_dump("(000) ldx #10\n(001) ldh [x + 4]\n(002) ret\n"),
            "  0: has p[..16]  yes -> 1  no -> 2\n"
            "  1: return p16[14]\n"
            "  2: return 0x0\n");
  EXPECT_EQ(lift_dump("(000) ldx #10\n(001) ldh [x + 4294967290]\n(002) ret\n"),
            "  0: has p[..6]  yes -> 1  no -> 2\n"
            "  1: return p16[4]\n"
            "  2: return 0x0\n");
}

TEST(Lift, JoinsThatAgreeAreLiftedOnce) {
  // A differs, but nobody reads it behind the join.
  EXPECT_EQ(
      lift_dump("(000) ldb [0]\n(001) jeq #1 jt 2 jf 4\n(002) ldb [1]\n(003) jeq #2 jt 4 jf 6\n"
                "(004) ldb [2]\n(005) jeq #3 jt 7 jf 6\n(006) ret #0\n(007) ret #1\n"),
      "  0: has p[..1]  yes -> 1  no -> 7\n"
      "  1: p8[0]  0x1 -> 2  else -> 4\n"
      "  2: has p[..2]  yes -> 3  no -> 7\n"
      "  3: p8[1]  0x2 -> 4  else -> 7\n"
      "  4: has p[..3]  yes -> 5  no -> 7\n"
      "  5: p8[2]  0x3 -> 6  else -> 7\n"
      "  6: return 0x1\n"
      "  7: return 0x0\n");
}

TEST(Lift, SmallJoinsThatDisagreeAreCopied) {
  EXPECT_EQ(lift_dump("(000) ldb [0]\n(001) jeq #1 jt 2 jf 4\n(002) ldx #4\n(003) ja 5\n"
                      "(004) ldx #8\n(005) ldb [x + 2]\n(006) jeq #7 jt 7 jf 8\n(007) ret #1\n"
                      "(008) ret #0\n"),
            "  0: has p[..1]  yes -> 1  no -> 7\n"
            "  1: p8[0]  0x1 -> 4  else -> 2\n"
            "  2: has p[..11]  yes -> 3  no -> 7\n"
            "  3: p8[10]  0x7 -> 6  else -> 7\n"
            "  4: has p[..7]  yes -> 5  no -> 7\n"
            "  5: p8[6]  0x7 -> 6  else -> 7\n"
            "  6: return 0x1\n"
            "  7: return 0x0\n");
}

/// A join whose X differs, with `blocks` comparisons that use it behind.
std::string join_with(int blocks) {
  std::string text =
      "(000) ldb [0]\n(001) jeq #1 jt 2 jf 4\n(002) ldx #4\n(003) ja 5\n(004) ldx #8\n";
  const int end = 5 + 2 * blocks;
  for (int i = 0; i < blocks; ++i) {
    const int at = 5 + 2 * i;
    text += "(" + std::to_string(at) + ") ldb [x + " + std::to_string(i) + "]\n(" +
            std::to_string(at + 1) + ") jeq #7 jt " + std::to_string(end) + " jf " +
            std::to_string(i + 1 < blocks ? at + 2 : end + 1) + "\n";
  }
  return text + "(" + std::to_string(end) + ") ret #1\n(" + std::to_string(end + 1) + ") ret #0\n";
}

TEST(Lift, LargeJoinsThatDisagreeGetCells) {
  for (const int blocks : {1, 8}) {
    const auto graph = try_lift(join_with(blocks));
    ASSERT_TRUE(graph);
    EXPECT_EQ(graph->values.phis(), 0U) << blocks;
  }
  const auto graph = try_lift(join_with(9));
  ASSERT_TRUE(graph);
  EXPECT_EQ(graph->values.phis(), 1U);
  const std::string text = dump(*graph);
  EXPECT_NE(text.find("phi0 = 0x4  -> "), std::string::npos) << text;
  EXPECT_NE(text.find("phi0 = 0x8  -> "), std::string::npos) << text;
  EXPECT_NE(text.find("p8[phi0 + 8]"), std::string::npos) << text;
}

TEST(Lift, CodeThatNothingLeadsToIsLeftOut) {
  EXPECT_EQ(lift_dump("(000) ldb [0]\n(001) ja 3\n(002) ldb [60]\n(003) jeq #1 jt 4 jf 5\n"
                      "(004) ret #1\n(005) ret #0\n"),
            "  0: has p[..1]  yes -> 1  no -> 3\n"
            "  1: p8[0]  0x1 -> 2  else -> 3\n"
            "  2: return 0x1\n"
            "  3: return 0x0\n");
}

TEST(Lift, AQuestionWithACertainAnswerIsNone) {
  EXPECT_EQ(lift_dump("(000) ld #5\n(001) jeq #5 jt 2 jf 3\n(002) ret #1\n(003) ret #0\n"),
            "  0: return 0x1\n");
  EXPECT_EQ(lift_dump("(000) ldb [0]\n(001) jgt #255 jt 2 jf 3\n(002) ret #1\n(003) ret #0\n"),
            "  0: has p[..1]  yes -> 1  no -> 1\n"
            "  1: return 0x0\n");
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
