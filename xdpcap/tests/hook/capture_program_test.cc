// SPDX-License-Identifier: BSD-3-Clause
//
// The capture program as instructions, without a kernel.

#include "xdpcap/program/capture_program.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "xdpcap/program/abi.h"
#include "xdpcap/program/record_code.h"

namespace xdpcap {
namespace {

using cbpfc::ebpf::Insn;

constexpr std::uint8_t kLoadMap = 0x18;
constexpr std::uint8_t kCall = 0x85;
constexpr std::uint8_t kExit = 0x95;

cbpfc::Filter match_all() {
  const std::array<cbpfc::RawInsn, 1> raw = {{{.code = 0x06, .k = 1}}};
  return cbpfc::Filter::decode(raw).value();
}

std::vector<Insn> build(const CaptureProgramSpec& spec) {
  return build_capture_program(match_all(), spec).value();
}

/// Whether every jump lands on an instruction, and not on the second half of one.
bool jumps_are_sound(const std::vector<Insn>& insns) {
  std::vector<bool> starts(insns.size(), true);
  for (std::size_t i = 0; i < insns.size(); ++i) {
    if (insns[i].opcode == kLoadMap) {
      starts.at(++i) = false;
    }
  }
  for (std::size_t i = 0; i < insns.size(); ++i) {
    const int instruction_class = insns[i].opcode & 0x07;
    const bool is_jump = (instruction_class == 0x05 || instruction_class == 0x06) &&
                         insns[i].opcode != kCall && insns[i].opcode != kExit;
    if (!starts[i] || !is_jump) {
      continue;
    }
    const auto target = static_cast<std::ptrdiff_t>(i) + 1 + insns[i].offset;
    if (target < 0 || target >= static_cast<std::ptrdiff_t>(insns.size()) ||
        !starts[static_cast<std::size_t>(target)]) {
      return false;
    }
  }
  return true;
}

TEST(CaptureProgramTest, IsSmallAndJumpsSoundly) {
  for (const Transport transport : kTransports) {
    for (const bool multi_buffer : {false, true}) {
      for (const std::uint32_t snaplen : {1U, 64U, 65U, 1500U, 65535U}) {
        for (const std::uint32_t watermark : {0U, 1U, 2U, 0xffffffffU}) {
          const std::vector<Insn> insns = build({.action = Action::Drop,
                                                 .snaplen_bytes = snaplen,
                                                 .watermark_bytes = watermark,
                                                 .transport = {transport, {100, 101}},
                                                 .multi_buffer = multi_buffer,
                                                 .rings_fd = 10,
                                                 .counters_fd = 11});
          EXPECT_LE(insns.size(), 320U);
          EXPECT_TRUE(jumps_are_sound(insns));
          EXPECT_EQ(std::ranges::count(insns, kExit, &Insn::opcode), 1);
          EXPECT_EQ(insns.back().opcode, kExit);
        }
      }
    }
  }
}

TEST(CaptureProgramTest, ReturnsItsAction) {
  for (const Action action : kActions) {
    const std::vector<Insn> insns = build({.action = action});
    EXPECT_EQ(insns[insns.size() - 2].immediate, static_cast<std::int32_t>(index(action)));
  }
}

TEST(CaptureProgramTest, UsesTheMapsItIsGiven) {
  const std::vector<Insn> insns = build({.rings_fd = 10, .counters_fd = 11});
  std::vector<std::int32_t> maps;
  for (const Insn& insn : insns) {
    if (insn.opcode == kLoadMap) {
      maps.push_back(insn.immediate);
    }
  }
  EXPECT_EQ(maps, (std::vector<std::int32_t>{11, 10}));
}

TEST(CaptureProgramTest, HasNoMoreSizeClassesThanTheSnapLengthNeeds) {
  // A comparison, a size and a jump for each class.
  const std::size_t smallest = build({.snaplen_bytes = 64}).size();
  EXPECT_EQ(build({.snaplen_bytes = 1}).size(), smallest);
  EXPECT_EQ(build({.snaplen_bytes = 65}).size(), smallest + 3);
  EXPECT_EQ(build({.snaplen_bytes = 96}).size(), smallest + 3);
  EXPECT_EQ(build({.snaplen_bytes = 97}).size(), smallest + 6);
}

TEST(CaptureProgramTest, AsksTheRingOnlyForAWatermark) {
  constexpr std::int32_t kRingbufQuery = 134;
  const auto queries = [](std::uint32_t watermark) {
    const std::vector<Insn> insns = build({.watermark_bytes = watermark});
    return std::ranges::count_if(insns, [](const Insn& insn) {
      return insn.opcode == kCall && insn.immediate == kRingbufQuery;
    });
  };
  EXPECT_EQ(queries(0), 0);
  EXPECT_EQ(queries(1), 0);
  EXPECT_EQ(queries(2), 1);
}

TEST(CaptureProgramTest, RefusesSnapLengthsOutOfRange) {
  for (const std::uint32_t snaplen : {0U, 65536U, 0xffffffffU}) {
    const auto insns = build_capture_program(match_all(), {.snaplen_bytes = snaplen});
    ASSERT_FALSE(insns.has_value());
    EXPECT_EQ(insns.error().code, Errc::InvalidArgument);
  }
}

TEST(CaptureProgramTest, RefusesWhatTheCompilerRefuses) {
  const std::array<cbpfc::RawInsn, 2> raw = {
      {{.code = 0x28, .k = cbpfc::kAncillaryOffset + 20}, {.code = 0x16}}};
  const auto insns = build_capture_program(cbpfc::Filter::decode(raw).value(), {});
  ASSERT_FALSE(insns.has_value());
  EXPECT_EQ(insns.error().code, Errc::Unsupported);
}

TEST(CaptureProgramTest, KnowsTheLargestRecord) {
  // Eight bytes of the ring's own, 24 of header, the packet, all to a multiple of eight.
  EXPECT_EQ(largest_record_bytes(1), 40U);
  EXPECT_EQ(largest_record_bytes(8), 40U);
  EXPECT_EQ(largest_record_bytes(9), 48U);
  EXPECT_EQ(largest_record_bytes(65535), 65568U);
}

}  // namespace
}  // namespace xdpcap
