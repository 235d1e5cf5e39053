// SPDX-License-Identifier: BSD-3-Clause
//
// Graphs from short texts, for the tests of the optimiser.

#pragma once

#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include <string>

#include "cbpfc/classic/cfg.h"
#include "cbpfc/graph/lift.h"
#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {

/// A program in any text form.
inline Filter filter(const std::string& text) {
  const auto raw = parse_program(text);
  EXPECT_TRUE(raw) << raw.error().message;
  const auto decoded = Filter::decode(*raw);
  EXPECT_TRUE(decoded) << decoded.error().message;
  return *decoded;
}

/// The program libpcap makes of an expression.
inline Filter expression_filter(const std::string& expression) {
  const auto raw = compile_expression(expression);
  EXPECT_TRUE(raw) << raw.error().message;
  return *Filter::decode(*raw, Accept::Compiler);
}

inline Cfg straight_cfg(const Filter& f) {
  auto cfg = build_cfg(f, 0xffff);
  EXPECT_TRUE(cfg) << cfg.error().message;
  return *std::move(cfg);
}

inline Graph lifted(const Filter& f) {
  return lift_filter(straight_cfg(f), PacketRules{});
}

/// A graph with two ends to put questions in front of.
struct Ground {
  Graph graph = {};
  PacketRules rules = {};
  NodeId yes = graph.add(Return{.value = graph.values.constant(1)});
  NodeId no = graph.add(Return{.value = graph.values.constant(0)});

  Values& values() { return graph.values; }
  ValueId k(std::uint32_t number) { return graph.values.constant(number); }
  ValueId p8(std::uint32_t offset) { return values().load(Size::Byte, std::nullopt, offset); }
  ValueId p16(std::uint32_t offset) { return values().load(Size::Half, std::nullopt, offset); }
  ValueId p32(std::uint32_t offset) { return values().load(Size::Word, std::nullopt, offset); }
  ValueId op(AluOp op, ValueId left, ValueId right) { return values().arithmetic(op, left, right); }
  ValueId op(AluOp op, ValueId left, int right) {
    return values().arithmetic(op, left, k(static_cast<std::uint32_t>(right)));
  }

  /// Adds "value in [low, high]?".
  NodeId in(ValueId value, std::uint32_t low, std::uint32_t high, NodeId target, NodeId otherwise) {
    return graph.add(Switch{.value = value,
                            .cases = {{.low = low, .high = high, .target = target}},
                            .otherwise = otherwise});
  }
  NodeId is(ValueId value, std::uint32_t number, NodeId target, NodeId otherwise) {
    return in(value, number, number, target, otherwise);
  }
  /// Adds "are the first `end` bytes there?".
  NodeId has(std::int64_t end, NodeId inside, NodeId outside) {
    return graph.add(Fits{
        .index = std::nullopt, .begin = 0, .end = end, .if_inside = inside, .if_outside = outside});
  }
  NodeId has(ValueId index, std::int64_t begin, std::int64_t end, NodeId inside, NodeId outside) {
    return graph.add(Fits{
        .index = index, .begin = begin, .end = end, .if_inside = inside, .if_outside = outside});
  }
  std::string dump_from(NodeId entry) {
    graph.entry = entry;
    EXPECT_EQ(check_graph(graph), "");
    return dump(graph);
  }
};

}  // namespace cbpfc::optimizer
