// SPDX-License-Identifier: BSD-3-Clause
//
// What emitted code does; cbpfc/tests/golden/emit has what it looks like.

#include <algorithm>

#include "cbpfc/compile/optimize.h"
#include "cbpfc/tests/graph/optimizer_support.h"
#include "verify/differential/generators/dice.h"
#include "verify/interpreter/ebpf_interpret.h"
#include "verify/interpreter/interpret.h"

namespace cbpfc::optimizer {
namespace {

std::vector<ebpf::Insn> assemble(ebpf::Assembly code) {
  code.label("result");
  auto insns = code.assemble();
  EXPECT_TRUE(insns) << insns.error().message;
  return *std::move(insns);
}

std::uint32_t run(const std::vector<ebpf::Insn>& insns, const std::vector<std::uint8_t>& packet) {
  const auto execution = ebpf::interpret(
      insns, packet, ebpf::entry_state({}, static_cast<std::uint32_t>(packet.size())));
  EXPECT_TRUE(execution) << execution.error().message;
  return execution ? static_cast<std::uint32_t>(execution->registers[4]) : 0xdead;
}

/// A switch over p32[0] with `cases` random numbers, each leading to one of `targets` returns.
struct RandomSwitch {
  Ground g;
  std::vector<std::uint32_t> numbers;
  std::vector<std::uint32_t> answers;

  RandomSwitch(std::size_t cases, std::size_t targets, std::uint64_t seed) {
    differential::Dice dice(seed);
    while (numbers.size() < cases) {
      const std::uint32_t number = dice.word();
      if (std::ranges::find(numbers, number) == numbers.end()) {
        numbers.push_back(number);
      }
    }
    std::ranges::sort(numbers);
    std::vector<NodeId> ends;
    for (std::size_t i = 0; i < targets; ++i) {
      ends.push_back(g.graph.add(Return{.value = g.k(static_cast<std::uint32_t>(i + 1))}));
    }
    Switch node{.value = g.p32(0), .cases = {}, .otherwise = g.no};
    for (const std::uint32_t number : numbers) {
      const std::uint32_t target = dice.below(static_cast<std::uint32_t>(targets));
      node.cases.push_back({.low = number, .high = number, .target = ends[target]});
      answers.push_back(target + 1);
    }
    g.graph.entry = g.has(4, g.graph.add(node), g.no);
  }

  static std::vector<std::uint8_t> packet(std::uint32_t number) {
    return {static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
            static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
  }

  /// Every member, its neighbours and 1,000 others are answered rightly.
  void expect_right(const std::vector<ebpf::Insn>& insns) {
    const auto expected = [&](std::uint32_t number) {
      const auto place = std::ranges::lower_bound(numbers, number);
      const bool is_member = place != numbers.end() && *place == number;
      return is_member ? answers[static_cast<std::size_t>(place - numbers.begin())] : 0;
    };
    for (const std::uint32_t number : numbers) {
      for (const std::uint32_t near : {number - 1, number, number + 1, number ^ 0x80000000}) {
        EXPECT_EQ(run(insns, packet(near)), expected(near)) << near;
      }
    }
    differential::Dice dice(99);
    for (int i = 0; i < 1000; ++i) {
      const std::uint32_t number = dice.word();
      EXPECT_EQ(run(insns, packet(number)), expected(number)) << number;
    }
    EXPECT_EQ(run(insns, {1, 2, 3}), 0U);
  }
};

TEST(EmitGraph, ListsOfNumbersAreAnsweredRightly) {
  for (const std::size_t cases : {1U, 4U, 5U, 39U, 40U, 64U, 300U}) {
    for (const std::size_t targets : {1U, 2U, 5U}) {
      SCOPED_TRACE(std::to_string(cases) + " numbers, " + std::to_string(targets) + " targets");
      RandomSwitch list(cases, targets, cases);
      list.expect_right(assemble(*emit_graph(list.g.graph, EbpfOptions{})));
    }
  }
}

/// The most instructions that one packet of a list takes.
std::uint64_t most_executed(const RandomSwitch& list, const std::vector<ebpf::Insn>& insns) {
  std::uint64_t most = 0;
  for (const std::uint32_t number : list.numbers) {
    most = std::max(
        most,
        ebpf::interpret(insns, RandomSwitch::packet(number), ebpf::entry_state({}, 4))->insns);
  }
  return most;
}

TEST(EmitGraph, LongListsTakeFewInstructions) {
  const RandomSwitch tree(39, 1, 7);
  EXPECT_EQ(most_executed(tree, assemble(*emit_graph(tree.g.graph, EbpfOptions{}))), 13U);
  const RandomSwitch hash(64, 1, 7);
  const auto insns = assemble(*emit_graph(hash.g.graph, EbpfOptions{}));
  EXPECT_EQ(most_executed(hash, insns), 26U);
  EXPECT_EQ(insns.size(), 88U);
}

TEST(EmitGraph, AProductOfSixteenWordsTakesTurnsInRegisters) {
  std::string text;
  int at = 0;
  const auto add = [&](const std::string& insn) {
    text += "(" + std::to_string(at++) + ") " + insn + "\n";
  };
  for (int i = 0; i < 16; ++i) {
    add("ld [" + std::to_string(4 * i) + "]");
    add("st M[" + std::to_string(i) + "]");
  }
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) {
      add("ld M[" + std::to_string(2 * i) + "]");
      add("ldx M[" + std::to_string(2 * i + 1) + "]");
      add("mul x");
      add("st M[" + std::to_string(i) + "]");
    }
  }
  add("ret");
  const Filter f = filter(text);
  std::vector<std::uint8_t> packet(64);
  differential::Dice dice(3);
  std::ranges::generate(packet, [&] { return static_cast<std::uint8_t>(dice.word() | 1); });
  const auto insns = assemble(compile_ebpf(f, {}).value());
  EXPECT_EQ(run(insns, packet), interpret(f, packet, 64).value());
}

TEST(EmitGraph, CellsNeedRoomOnTheStack) {
  Ground g;
  std::vector<ValueId> phis;
  NodeId next = g.yes;
  for (int i = 0; i < 30; ++i) {
    phis.push_back(g.values().new_phi());
    next = g.is(phis.back(), 1, next, g.no);
  }
  for (std::uint32_t i = 0; i < 30; ++i) {
    next = g.graph.add(SetPhi{.phi = phis[i], .value = g.p8(i), .next = next});
  }
  g.graph.entry = g.has(30, next, g.no);
  EXPECT_TRUE(emit_graph(g.graph, {.stack_offset_bytes = 300}));
  const auto refused = emit_graph(g.graph, {.stack_offset_bytes = 448});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::InvalidArgument);
  EXPECT_NE(refused.error().message.find("bytes that this filter keeps on the stack"),
            std::string::npos)
      << refused.error().message;
}

}  // namespace
}  // namespace cbpfc::optimizer
