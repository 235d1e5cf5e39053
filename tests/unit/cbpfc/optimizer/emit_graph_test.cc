// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/optimizer/emit_graph.h"

#include <cbpfc/ebpf_interpret.h>
#include <cbpfc/interpret.h>

#include <algorithm>

#include "cbpfc/optimizer/optimize.h"
#include "differential/dice.h"
#include "unit/cbpfc/optimizer/optimizer_support.h"

namespace cbpfc::optimizer {
namespace {

// ip and udp, on Ethernet
constexpr const char* kUdp = "6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 17,6 0 0 262144,6 0 0 0";

/// What stands behind a fragment: an exit to look at, nothing to run.
enum class Behind : std::uint8_t { Exit, Nothing };

std::vector<ebpf::Insn> assemble(ebpf::Assembly code, Behind behind = Behind::Nothing) {
  code.label("result");
  if (behind == Behind::Exit) {
    code.add(ebpf::exit_insn());
  }
  auto insns = code.assemble();
  EXPECT_TRUE(insns) << insns.error().message;
  return *std::move(insns);
}

std::string listing(const Graph& graph) {
  auto code = emit_graph(graph, EbpfOptions{}, 0xffff);
  return code ? ebpf::print(assemble(*std::move(code), Behind::Exit)) : "given up";
}

std::string optimized_listing(const Filter& f) {
  Graph graph = lifted(f);
  run_phases(graph, PacketRules{});
  return listing(graph);
}

std::uint32_t run(const std::vector<ebpf::Insn>& insns, const std::vector<std::uint8_t>& packet) {
  const auto execution = ebpf::interpret(
      insns, packet, ebpf::entry_state({}, static_cast<std::uint32_t>(packet.size())));
  EXPECT_TRUE(execution) << execution.error().message;
  return execution ? static_cast<std::uint32_t>(execution->registers[4]) : 0xdead;
}

TEST(EmitGraph, AFilterWithItsValue) {
  EXPECT_EQ(optimized_listing(filter(kUdp)),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 24\n"
            "   2: (2d) if r4 > r3 goto pc+6\n"
            "   3: (69) r4 = *(u16 *)(r2 +12)\n"
            "   4: (56) if w4 != 8 goto pc+4\n"
            "   5: (71) r4 = *(u8 *)(r2 +23)\n"
            "   6: (56) if w4 != 17 goto pc+2\n"
            "   7: (b4) w4 = 262144\n"
            "   8: (05) goto pc+1\n"
            "   9: (b4) w4 = 0\n"
            "  10: (95) exit\n");
}

TEST(EmitGraph, AFilterThatJumpsToTheCallersLabels) {
  Graph graph = lifted(filter(kUdp));
  run_phases(graph, PacketRules{});
  const EbpfOptions options = {.match_label = "match", .no_match_label = "miss"};
  ebpf::Assembly code = *emit_graph(graph, options, 0xffff);
  for (const char* label : {"match", "miss"}) {
    code.label(label);
    code.add(ebpf::exit_insn());
  }
  EXPECT_EQ(ebpf::print(*code.assemble()),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 24\n"
            "   2: (2d) if r4 > r3 goto pc+5\n"
            "   3: (69) r4 = *(u16 *)(r2 +12)\n"
            "   4: (56) if w4 != 8 goto pc+3\n"
            "   5: (71) r4 = *(u8 *)(r2 +23)\n"
            "   6: (56) if w4 != 17 goto pc+1\n"
            "   7: (95) exit\n"
            "   8: (95) exit\n");
}

TEST(EmitGraph, BytesAreTurnedOnlyWhereOrderCounts) {
  Ground g;
  g.graph.entry = g.has(14, g.is(g.p16(12), 0x800, g.yes, g.no), g.no);
  EXPECT_EQ(listing(g.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 14\n"
            "   2: (2d) if r4 > r3 goto pc+4\n"
            "   3: (69) r4 = *(u16 *)(r2 +12)\n"
            "   4: (56) if w4 != 8 goto pc+2\n"
            "   5: (b4) w4 = 1\n"
            "   6: (05) goto pc+1\n"
            "   7: (b4) w4 = 0\n"
            "   8: (95) exit\n");
  Ground bits;
  bits.graph.entry = bits.has(
      8,
      bits.graph.add(AnyBit{
          .value = bits.p32(4), .mask = 0x1fff00ff, .if_set = bits.yes, .if_clear = bits.no}),
      bits.no);
  EXPECT_EQ(listing(bits.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 8\n"
            "   2: (2d) if r4 > r3 goto pc+5\n"
            "   3: (61) r4 = *(u32 *)(r2 +4)\n"
            "   4: (46) if w4 & -16711905 goto pc+1\n"
            "   5: (05) goto pc+2\n"
            "   6: (b4) w4 = 1\n"
            "   7: (05) goto pc+1\n"
            "   8: (b4) w4 = 0\n"
            "   9: (95) exit\n");
  Ground ordered;  // one question in host order is enough
  ordered.graph.entry =
      ordered.has(14,
                  ordered.is(ordered.p16(12), 0x800, ordered.yes,
                             ordered.in(ordered.p16(12), 0x600, 0xffff, ordered.yes, ordered.no)),
                  ordered.no);
  EXPECT_EQ(listing(ordered.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 14\n"
            "   2: (2d) if r4 > r3 goto pc+6\n"
            "   3: (69) r4 = *(u16 *)(r2 +12)\n"
            "   4: (dc) r4 = be16 r4\n"
            "   5: (16) if w4 == 2048 goto pc+1\n"
            "   6: (a6) if w4 < 1536 goto pc+2\n"
            "   7: (b4) w4 = 1\n"
            "   8: (05) goto pc+1\n"
            "   9: (b4) w4 = 0\n"
            "  10: (95) exit\n");
}

TEST(EmitGraph, EightBytesAtOnce) {
  Ground g;
  const auto equal = [&](std::uint32_t offset, std::uint64_t bytes, NodeId next) {
    return g.graph.add(WideEqual{.index = std::nullopt,
                                 .offset = offset,
                                 .bytes = bytes,
                                 .if_equal = next,
                                 .otherwise = g.no});
  };
  g.graph.entry =
      g.has(38, equal(22, 0x20010db800000000, equal(30, 0x0100000000000000, g.yes)), g.no);
  EXPECT_EQ(listing(g.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 38\n"
            "   2: (2d) if r4 > r3 goto pc+8\n"
            "   3: (79) r4 = *(u64 *)(r2 +22)\n"
            "   4: (18) r5 = 0xb80d0120\n"
            "   6: (5d) if r4 != r5 goto pc+4\n"
            "   7: (79) r4 = *(u64 *)(r2 +30)\n"
            "   8: (55) if r4 != 1 goto pc+2\n"
            "   9: (b4) w4 = 1\n"
            "  10: (05) goto pc+1\n"
            "  11: (b4) w4 = 0\n"
            "  12: (95) exit\n");
}

TEST(EmitGraph, IntervalsNeedNoMoreComparisonsThanTheirBounds) {
  Ground g;
  g.graph.entry = g.has(1,
                        g.graph.add(Switch{.value = g.p8(0),
                                           .cases = {{.low = 0, .high = 9, .target = g.yes},
                                                     {.low = 20, .high = 29, .target = g.yes},
                                                     {.low = 40, .high = 40, .target = g.yes},
                                                     {.low = 200, .high = 255, .target = g.yes}},
                                           .otherwise = g.no}),
                        g.no);
  EXPECT_EQ(listing(g.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 1\n"
            "   2: (2d) if r4 > r3 goto pc+8\n"
            "   3: (71) r4 = *(u8 *)(r2 +0)\n"
            "   4: (b6) if w4 <= 9 goto pc+4\n"
            "   5: (a6) if w4 < 20 goto pc+5\n"
            "   6: (b6) if w4 <= 29 goto pc+2\n"
            "   7: (16) if w4 == 40 goto pc+1\n"
            "   8: (a6) if w4 < 200 goto pc+2\n"
            "   9: (b4) w4 = 1\n"
            "  10: (05) goto pc+1\n"
            "  11: (b4) w4 = 0\n"
            "  12: (95) exit\n");
  const auto insns = assemble(*emit_graph(g.graph, EbpfOptions{}, 0xffff));
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const bool matches = byte <= 9 || (byte >= 20 && byte <= 29) || byte == 40 || byte >= 200;
    EXPECT_EQ(run(insns, {static_cast<std::uint8_t>(byte)}), matches ? 1U : 0U) << byte;
  }
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
      list.expect_right(assemble(*emit_graph(list.g.graph, EbpfOptions{}, 0xffff)));
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
  EXPECT_EQ(most_executed(tree, assemble(*emit_graph(tree.g.graph, EbpfOptions{}, 0xffff))), 13U);
  const RandomSwitch hash(64, 1, 7);
  const auto insns = assemble(*emit_graph(hash.g.graph, EbpfOptions{}, 0xffff));
  EXPECT_EQ(most_executed(hash, insns), 26U);
  EXPECT_EQ(insns.size(), 88U);
}

/// ((p32[0] * p32[4]) ^ (p32[8] * p32[12])) ... : a balanced tree of 2^depth loads
ValueId balanced(Ground& g, int depth, std::uint32_t& offset) {
  if (depth == 0) {
    offset += 4;
    return g.p32(offset - 4);
  }
  const ValueId left = balanced(g, depth - 1, offset);
  const ValueId right = balanced(g, depth - 1, offset);
  return g.op(AluOp::Mul, left, right);
}

TEST(EmitGraph, GivesUpWhenRegistersRunOut) {
  const auto emitted = [](int depth, std::vector<ebpf::Reg> spare) {
    Ground g;
    std::uint32_t end = 0;
    const ValueId value = balanced(g, depth, end);
    g.graph.entry = g.has(end, g.is(value, 1, g.yes, g.no), g.no);
    return emit_graph(g.graph, EbpfOptions{.spare = std::move(spare)}, 0xffff).has_value();
  };
  EXPECT_TRUE(emitted(1, {}));
  EXPECT_TRUE(emitted(2, {}));
  EXPECT_TRUE(emitted(3, {}));
  EXPECT_FALSE(emitted(5, {}));
  EXPECT_TRUE(emitted(5, {ebpf::Reg::R0, ebpf::Reg::R1, ebpf::Reg::R8, ebpf::Reg::R9}));
}

TEST(EmitGraph, WhatItGivesUpIsCompiledAnyway) {
  // A difference of sums, in scratch slots.
  Ground g;
  std::uint32_t end = 0;
  balanced(g, 3, end);
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

TEST(EmitGraph, APointerThatWasFoundTooFarIsNotUsedAgain) {
  // has p[..40] no -> has p[..27]: the second guard starts from packet_start, not from the failed pointer.
  Ground g;
  const NodeId shorter = g.has(27, g.is(g.p8(26), 1, g.yes, g.no), g.no);
  g.graph.entry = g.has(40, g.is(g.p8(39), 1, g.yes, g.no), shorter);
  EXPECT_EQ(listing(g.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 40\n"
            "   2: (2d) if r4 > r3 goto pc+3\n"
            "   3: (71) r5 = *(u8 *)(r2 +39)\n"
            "   4: (16) if w5 == 1 goto pc+6\n"
            "   5: (05) goto pc+7\n"
            "   6: (bf) r4 = r2\n"
            "   7: (07) r4 += 27\n"
            "   8: (2d) if r4 > r3 goto pc+4\n"
            "   9: (71) r4 = *(u8 *)(r2 +26)\n"
            "  10: (56) if w4 != 1 goto pc+2\n"
            "  11: (b4) w4 = 1\n"
            "  12: (05) goto pc+1\n"
            "  13: (b4) w4 = 0\n"
            "  14: (95) exit\n");

  Ground index;
  const ValueId x = index.p8(0);
  const NodeId near = index.has(
      x, 2, 4, index.is(index.values().load(Size::Half, x, 2), 1, index.yes, index.no), index.no);
  index.graph.entry = index.has(
      1,
      index.has(x, 2, 8, index.is(index.values().load(Size::Half, x, 6), 1, index.yes, index.no),
                near),
      index.no);
  EXPECT_EQ(listing(index.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 1\n"
            "   2: (2d) if r4 > r3 goto pc+15\n"
            "   3: (71) r4 = *(u8 *)(r2 +0)\n"
            "   4: (0f) r4 += r2\n"
            "   5: (07) r4 += 8\n"
            "   6: (2d) if r4 > r3 goto pc+3\n"
            "   7: (69) r5 = *(u16 *)(r4 -2)\n"
            "   8: (16) if w5 == 256 goto pc+7\n"
            "   9: (05) goto pc+8\n"
            "  10: (71) r4 = *(u8 *)(r2 +0)\n"
            "  11: (0f) r4 += r2\n"
            "  12: (07) r4 += 4\n"
            "  13: (2d) if r4 > r3 goto pc+4\n"
            "  14: (69) r5 = *(u16 *)(r4 -2)\n"
            "  15: (56) if w5 != 256 goto pc+2\n"
            "  16: (b4) w4 = 1\n"
            "  17: (05) goto pc+1\n"
            "  18: (b4) w4 = 0\n"
            "  19: (95) exit\n");
}

TEST(EmitGraph, AGuardThatSucceededIsMovedOn) {
  Ground g;
  const NodeId farther = g.has(40, g.is(g.p8(39), 1, g.yes, g.no), g.no);
  g.graph.entry = g.has(27, g.is(g.p8(26), 1, g.yes, farther), g.no);
  EXPECT_EQ(listing(g.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 27\n"
            "   2: (2d) if r4 > r3 goto pc+8\n"
            "   3: (71) r5 = *(u8 *)(r2 +26)\n"
            "   4: (16) if w5 == 1 goto pc+4\n"
            "   5: (07) r4 += 13\n"
            "   6: (2d) if r4 > r3 goto pc+4\n"
            "   7: (71) r4 = *(u8 *)(r2 +39)\n"
            "   8: (56) if w4 != 1 goto pc+2\n"
            "   9: (b4) w4 = 1\n"
            "  10: (05) goto pc+1\n"
            "  11: (b4) w4 = 0\n"
            "  12: (95) exit\n");
}

TEST(EmitGraph, CellsLieInRegisters) {
  Ground g;
  const ValueId phi = g.values().new_phi();
  const NodeId use = g.is(g.values().load(Size::Byte, phi, 14), 7, g.yes, g.no);
  const NodeId join = g.has(phi, 14, 15, use, g.no);
  const auto set = [&](std::uint32_t number) {
    return g.graph.add(SetPhi{.phi = phi, .value = g.k(number), .next = join});
  };
  g.graph.entry = g.has(1, g.is(g.p8(0), 1, set(20), set(40)), g.no);
  EXPECT_EQ(listing(g.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 1\n"
            "   2: (2d) if r4 > r3 goto pc+19\n"
            "   3: (71) r4 = *(u8 *)(r2 +0)\n"
            "   4: (16) if w4 == 1 goto pc+2\n"
            "   5: (b4) w4 = 40\n"
            "   6: (05) goto pc+1\n"
            "   7: (b4) w4 = 20\n"
            "   8: (b4) w5 = 14\n"
            "   9: (0c) w5 += w4\n"
            "  10: (bf) r6 = r3\n"
            "  11: (1f) r6 -= r2\n"
            "  12: (77) r6 >>= 32\n"
            "  13: (0c) w5 += w6\n"
            "  14: (25) if r5 > 65534 goto pc+7\n"
            "  15: (0f) r5 += r2\n"
            "  16: (07) r5 += 1\n"
            "  17: (2d) if r5 > r3 goto pc+4\n"
            "  18: (71) r4 = *(u8 *)(r5 -1)\n"
            "  19: (56) if w4 != 7 goto pc+2\n"
            "  20: (b4) w4 = 1\n"
            "  21: (05) goto pc+1\n"
            "  22: (b4) w4 = 0\n"
            "  23: (95) exit\n");
  const auto insns = assemble(*emit_graph(g.graph, EbpfOptions{}, 0xffff));
  std::vector<std::uint8_t> packet(60, 0);
  packet[20 + 14] = 7;
  EXPECT_EQ(run(insns, packet), 0U);
  packet[0] = 1;
  EXPECT_EQ(run(insns, packet), 1U);
  packet.resize(34);
  EXPECT_EQ(run(insns, packet), 0U);
}

TEST(EmitGraph, CellsThatNoRegisterHasOnAllWaysLieInScratchSlots) {
  Ground g;
  const ValueId phi = g.values().new_phi();
  const NodeId use = g.is(phi, 7, g.is(g.p8(1), 3, g.yes, g.no), g.no);
  const auto set = [&](std::uint32_t number) {
    return g.graph.add(SetPhi{.phi = phi, .value = g.p8(number), .next = use});
  };
  const NodeId long_way = g.is(g.p8(2), 9, g.is(g.p8(3), 9, set(4), g.no), g.no);
  g.graph.entry = g.has(9, g.is(g.p8(0), 1, long_way, g.is(g.p8(1), 9, g.no, set(5))), g.no);
  EXPECT_EQ(listing(g.graph),
            "   0: (bf) r4 = r2\n"
            "   1: (07) r4 += 9\n"
            "   2: (2d) if r4 > r3 goto pc+19\n"
            "   3: (71) r4 = *(u8 *)(r2 +0)\n"
            "   4: (56) if w4 != 1 goto pc+7\n"
            "   5: (71) r4 = *(u8 *)(r2 +2)\n"
            "   6: (56) if w4 != 9 goto pc+15\n"
            "   7: (71) r4 = *(u8 *)(r2 +3)\n"
            "   8: (56) if w4 != 9 goto pc+13\n"
            "   9: (71) r4 = *(u8 *)(r2 +4)\n"
            "  10: (63) *(u32 *)(r10 -4) = r4\n"
            "  11: (05) goto pc+4\n"
            "  12: (71) r4 = *(u8 *)(r2 +1)\n"
            "  13: (16) if w4 == 9 goto pc+8\n"
            "  14: (71) r5 = *(u8 *)(r2 +5)\n"
            "  15: (63) *(u32 *)(r10 -4) = r5\n"
            "  16: (61) r4 = *(u32 *)(r10 -4)\n"
            "  17: (56) if w4 != 7 goto pc+4\n"
            "  18: (71) r4 = *(u8 *)(r2 +1)\n"
            "  19: (56) if w4 != 3 goto pc+2\n"
            "  20: (b4) w4 = 1\n"
            "  21: (05) goto pc+1\n"
            "  22: (b4) w4 = 0\n"
            "  23: (95) exit\n");
  const auto insns = assemble(*emit_graph(g.graph, EbpfOptions{}, 0xffff));
  EXPECT_EQ(run(insns, {1, 3, 9, 9, 7, 8, 0, 0, 0}), 1U);
  EXPECT_EQ(run(insns, {1, 3, 9, 9, 8, 7, 0, 0, 0}), 0U);
  EXPECT_EQ(run(insns, {0, 3, 0, 0, 7, 8, 0, 0, 0}), 0U);
  EXPECT_EQ(run(insns, {0, 3, 0, 0, 8, 7, 0, 0, 0}), 1U);
}

/// Puts p16[4] or p16[6] into a cell that is compared with 0x1234, and the cell's value with `also`.
NodeId compared_cell(Ground& g, std::uint32_t also_low, std::uint32_t also_high) {
  const ValueId phi = g.values().new_phi();
  const NodeId use = g.is(phi, 0x1234, g.yes, g.in(phi, also_low, also_high, g.yes, g.no));
  const auto set = [&](std::uint32_t offset) {
    return g.graph.add(SetPhi{.phi = phi, .value = g.p16(offset), .next = use});
  };
  return g.has(9, g.is(g.p8(0), 1, set(4), set(6)), g.no);
}

TEST(EmitGraph, CellsAreRawWhereAllThatIsPutIntoThemIs) {
  Ground raw;
  raw.graph.entry = compared_cell(raw, 0xff00, 0xff00);
  EXPECT_EQ(listing(raw.graph).find("be16"), std::string::npos) << listing(raw.graph);
  Ground ordered;
  ordered.graph.entry = compared_cell(ordered, 0xff00, 0xff01);
  EXPECT_NE(listing(ordered.graph).find("be16"), std::string::npos) << listing(ordered.graph);
  for (Ground* g : {&raw, &ordered}) {
    const auto insns = assemble(*emit_graph(g->graph, EbpfOptions{}, 0xffff));
    EXPECT_EQ(run(insns, {1, 0, 0, 0, 0x12, 0x34, 0, 0, 0}), 1U);
    EXPECT_EQ(run(insns, {0, 0, 0, 0, 0x12, 0x34, 0, 0, 0}), 0U);
    EXPECT_EQ(run(insns, {0, 0, 0, 0, 0, 0, 0x12, 0x34, 0}), 1U);
    EXPECT_EQ(run(insns, {1, 0, 0, 0, 0xff, 0, 0, 0, 0}), 1U);
    EXPECT_EQ(run(insns, {1, 0, 0, 0, 0, 0xff, 0, 0, 0}), 0U);
  }
}

TEST(EmitGraph, CellsComparedWithWhatTheirFieldsCannotBeAreNumbers) {
  Ground g;
  g.graph.entry = compared_cell(g, 0xffffffff, 0xffffffff);
  const auto insns = assemble(*emit_graph(g.graph, EbpfOptions{}, 0xffff));
  EXPECT_EQ(run(insns, {1, 0, 0, 0, 0xff, 0xff, 0, 0, 0}), 0U);
  EXPECT_EQ(run(insns, {1, 0, 0, 0, 0x12, 0x34, 0, 0, 0}), 1U);
}

TEST(EmitGraph, CellsOfFieldsOfDifferentSizesAreNumbers) {
  Ground g;
  const ValueId phi = g.values().new_phi();
  const NodeId use = g.is(phi, 0x1234, g.yes, g.no);
  const NodeId half = g.graph.add(SetPhi{.phi = phi, .value = g.p16(4), .next = use});
  const NodeId word = g.graph.add(SetPhi{.phi = phi, .value = g.p32(4), .next = use});
  g.graph.entry = g.has(9, g.is(g.p8(0), 1, half, word), g.no);
  const auto insns = assemble(*emit_graph(g.graph, EbpfOptions{}, 0xffff));
  EXPECT_EQ(run(insns, {1, 0, 0, 0, 0x12, 0x34, 0, 0, 0}), 1U);
  EXPECT_EQ(run(insns, {0, 0, 0, 0, 0x12, 0x34, 0, 0, 0}), 0U);
  EXPECT_EQ(run(insns, {0, 0, 0, 0, 0, 0, 0x12, 0x34, 0}), 1U);
}

}  // namespace
}  // namespace cbpfc::optimizer
