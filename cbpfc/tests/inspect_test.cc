// SPDX-License-Identifier: BSD-3-Clause

#include <cbpfc/inspect.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

namespace cbpfc {
namespace {

Filter compiled(const std::string& expression) {
  const auto raw = compile_expression(expression);
  EXPECT_TRUE(raw) << raw.error().message;
  return *Filter::decode(*raw);
}

TEST(Inspect, PhasesHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const PhaseDescription& phase : optimizer_phases()) {
    EXPECT_TRUE(names.insert(phase.name).second) << phase.name;
    EXPECT_NE(phase.name, kLiftedPhase);
    EXPECT_FALSE(phase.summary.empty()) << phase.name;
    EXPECT_EQ(phase.summary.find('\n'), std::string_view::npos) << phase.name;
  }
  EXPECT_FALSE(names.empty());
}

TEST(Inspect, OneViewForEachPhaseAndOneBefore) {
  const auto views = inspect_phases(compiled("ip and udp port 53"));
  ASSERT_TRUE(views) << views.error().message;
  const auto phases = optimizer_phases();
  ASSERT_EQ(views->size(), phases.size() + 1);
  EXPECT_EQ(views->front().phase, kLiftedPhase);
  for (std::size_t i = 0; i < phases.size(); ++i) {
    EXPECT_EQ((*views)[i + 1].phase, phases[i].name);
  }
}

TEST(Inspect, DrawingsDeclareEveryNodeTheyConnect) {
  const auto views = inspect_phases(compiled("host 192.0.2.1 and tcp port 80")).value();
  for (const GraphView& view : views) {
    EXPECT_TRUE(view.dot.starts_with("digraph filter {\n")) << view.phase;
    EXPECT_TRUE(view.dot.ends_with("}\n")) << view.phase;
    EXPECT_EQ(std::ranges::count(view.dot, '"') % 2, 0) << view.phase;
    EXPECT_EQ(std::ranges::count(view.dot, '['), std::ranges::count(view.dot, ']')) << view.phase;
    const auto lines = static_cast<std::size_t>(std::ranges::count(view.text, '\n'));
    for (std::size_t node = 0; node < lines; ++node) {
      EXPECT_NE(view.dot.find("\n  n" + std::to_string(node) + " [label="), std::string::npos);
    }
    EXPECT_EQ(view.dot.find("n" + std::to_string(lines) + " "), std::string::npos) << view.phase;
  }
}

TEST(Inspect, QuestionsBecomeFewer) {
  std::ifstream file(XDPCAP_TEST_DATA "/filters.txt");
  ASSERT_TRUE(file);
  std::string expression;
  std::size_t filters = 0;
  std::size_t before = 0;
  std::size_t after = 0;
  while (std::getline(file, expression)) {
    const auto views = inspect_phases(compiled(expression));
    ASSERT_TRUE(views) << expression << ": " << views.error().message;
    ++filters;
    for (std::size_t i = 1; i < views->size(); ++i) {
      const GraphView& view = (*views)[i];
      // An interval of two networks is two comparisons for equality in place of two of order, which count as one
      // question; all else only saves.
      if (view.phase != "final-form") {
        EXPECT_LE(view.decisions, (*views)[i - 1].decisions) << expression << " " << view.phase;
        EXPECT_LE(view.guards, (*views)[i - 1].guards) << expression << " " << view.phase;
      }
    }
    EXPECT_LE(views->back().guards, views->front().guards) << expression;
    before += views->front().decisions + views->front().guards;
    after += views->back().decisions + views->back().guards;
  }
  EXPECT_GE(filters, 50U);
  EXPECT_LT(6 * after, 5 * before);
}

TEST(Inspect, CountsQuestionsAndGuards) {
  const auto raw =
      parse_program("6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 17,6 0 0 262144,6 0 0 0").value();
  const auto views = inspect_phases(Filter::decode(raw).value()).value();
  EXPECT_EQ(views.front().decisions, 2U);
  EXPECT_EQ(views.front().guards, 2U);
  EXPECT_EQ(views.back().decisions, 2U);
  EXPECT_EQ(views.back().guards, 1U);
}

}  // namespace
}  // namespace cbpfc
