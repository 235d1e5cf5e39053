// SPDX-License-Identifier: BSD-3-Clause
//
// The text of a graph is complete: read back, it is the same graph.

#include <fstream>

#include "cbpfc/compile/optimize.h"
#include "cbpfc/tests/graph/graph_reader.h"
#include "cbpfc/tests/graph/optimizer_support.h"

namespace cbpfc::optimizer {
namespace {

void expect_read_back(const Graph& graph) {
  const std::string text = dump(graph);
  const auto read = read_graph(text);
  ASSERT_TRUE(read) << read.error().message << "\n" << text;
  EXPECT_TRUE(are_equal(*read, graph)) << text;
  EXPECT_EQ(dump(*read), text);
}

TEST(GraphText, OfEveryFilterAfterEveryPhaseIsReadBack) {
  std::ifstream file(XDPCAP_TEST_DATA "/filters.txt");
  ASSERT_TRUE(file);
  std::size_t filters = 0;
  for (std::string expression; std::getline(file, expression); ++filters) {
    SCOPED_TRACE(expression);
    Graph graph = lifted(expression_filter(expression));
    expect_read_back(graph);
    run_phases(graph, PacketRules{}, [&](const PhaseDescription&) { expect_read_back(graph); });
  }
  EXPECT_GE(filters, 50U);
}

TEST(GraphText, OfEveryKindIsReadBack) {
  const std::string text =
      "  0: has p[..14]  yes -> 1  no -> 13\n"
      "  1: phi0 = (p32[0] % 0x7)  -> 2\n"
      "  2: phi1 = length  -> 3\n"
      "  3: has p[phi0 + -2..9]  yes -> 4  no -> 13\n"
      "  4: p16[phi0 + -2]  0x1 -> 12  0x3..0x9 -> 5  else -> 5\n"
      "  5: (p8[phi1 + 3] / phi0) & 0x18  yes -> 6  no -> 13\n"
      "  6: (phi0 - phi1) > (phi0 >> 0x3)  yes -> 7  no -> 13\n"
      "  7: phi0 >= (phi1 ^ 0x3)  yes -> 8  no -> 13\n"
      "  8: phi0 & phi1  yes -> 9  no -> 13\n"
      "  9: phi1 = call 7  -> 10\n"
      " 10: context[12]  0x3 -> 11  else -> 13\n"
      "     v0 = (phi0 * 0x3)\n"
      " 11: phi0 == ((((((v0 + 0x1) * 0x3) + 0x1) * 0x3) | phi1) << 0x3)  yes -> 12  no -> 13\n"
      " 12: return 0x1\n"
      " 13: return 0x0\n";
  const auto graph = read_graph(text);
  ASSERT_TRUE(graph) << graph.error().message;
  EXPECT_EQ(dump(*graph), text);
  expect_read_back(*graph);
}

TEST(GraphText, ValuesThatAreNestedDeeplyHaveNames) {
  Ground g;
  ValueId value = g.p8(0);
  for (int i = 0; i < 20; ++i) {
    value = g.op(AluOp::Mul, g.op(AluOp::Add, value, g.p8(1)), value);
  }
  g.graph.entry = g.has(2, g.is(value, 1, g.yes, g.graph.add(Return{.value = value})), g.no);
  const std::string text = dump(g.graph);
  EXPECT_LT(text.size(), 20'000U);
  EXPECT_NE(text.find("     v1 = ("), std::string::npos) << text;
  expect_read_back(g.graph);
}

TEST(GraphText, LongListsAreComplete) {
  Ground g;
  Switch list{.value = g.p32(0), .cases = {}, .otherwise = g.no};
  for (std::uint32_t i = 0; i < 100; ++i) {
    list.cases.push_back({.low = 2 * i, .high = 2 * i, .target = g.yes});
  }
  g.graph.entry = g.has(4, g.graph.add(list), g.no);
  expect_read_back(g.graph);
  EXPECT_NE(dump_dot(g.graph).find("and 88 more"), std::string::npos);
}

TEST(GraphText, GraphsAreComparedWithAllTheyHave) {
  const char* const kText = "0: p8[1]  0x5 -> 1  else -> 2\n1: return 0x1\n2: return 0x0\n";
  const Graph graph = *read_graph(kText);
  EXPECT_TRUE(are_equal(graph, *read_graph("7: p8[1]  0x5 -> 9  else -> 8\n8: return 0x0\n"
                                           "9: return 0x1\n")));
  for (const char* other : {"0: p8[2]  0x5 -> 1  else -> 2\n1: return 0x1\n2: return 0x0\n",
                            "0: p8[1]  0x6 -> 1  else -> 2\n1: return 0x1\n2: return 0x0\n",
                            "0: p8[1]  0x5 -> 2  else -> 1\n1: return 0x1\n2: return 0x0\n",
                            "0: p8[1]  0x5 -> 1  else -> 2\n1: return 0x2\n2: return 0x0\n"}) {
    EXPECT_FALSE(are_equal(graph, *read_graph(other))) << other;
  }
}

TEST(GraphText, WhatIsNoGraphIsRefused) {
  const std::pair<const char*, const char*> kRows[] = {
      {"0: p8[1] 0x5 -> 1 else -> 1\n1: rtrn 0x1\n", "program, line 2, column 4: "},
      {"0: return v1\n", "program, line 1, column 12: no such value"},
      {"0: return 0x1 0x2\n", "expected the end of the line"},
      {"0: return (0x1 ? 0x2)\n", "expected an operator"},
      {"0: p8[1]  0x5 -> 1  else -> 0\n1: return 0x1\n", "there is a cycle"},
      {"0: p8[1]  0x5 -> 1  else -> 2\n1: return 0x1\n", "a Forward is left"},
      {"0: p8[1]  0x100 -> 1  else -> 1\n1: return 0x1\n", "sorted, disjoint and possible"},
  };
  for (const auto& [text, message] : kRows) {
    const auto graph = read_graph(text);
    ASSERT_FALSE(graph) << text;
    EXPECT_NE(graph.error().message.find(message), std::string::npos) << graph.error().message;
  }
}

}  // namespace
}  // namespace cbpfc::optimizer
