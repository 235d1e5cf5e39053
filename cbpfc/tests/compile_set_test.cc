// SPDX-License-Identifier: BSD-3-Clause

#include <cbpfc/compile.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <ctime>

#include "verify/differential/generators/packet_maker.h"
#include "verify/interpreter/ebpf_interpret.h"
#include "verify/interpreter/interpret.h"
#include "xdpcap/privilege/system_calls.h"

namespace cbpfc {
namespace {

using differential::Packet;

Filter from_text(const std::string& text) {
  const auto raw = parse_program(text);
  EXPECT_TRUE(raw) << raw.error().message;
  return Filter::decode(*raw).value();
}

std::vector<Filter> from_expressions(const std::vector<std::string>& expressions) {
  std::vector<Filter> filters;
  for (const std::string& expression : expressions) {
    const auto raw = compile_expression(expression);
    EXPECT_TRUE(raw) << expression << ": " << raw.error().message;
    filters.push_back(Filter::decode(*raw, Accept::Compiler).value());
  }
  return filters;
}

std::vector<ebpf::Insn> compiled(const std::vector<Filter>& filters, const EbpfOptions& options) {
  auto code = compile_ebpf_set(filters, options);
  EXPECT_TRUE(code) << code.error().message;
  code->label("result");
  auto insns = code->assemble();
  EXPECT_TRUE(insns) << insns.error().message;
  return *std::move(insns);
}

std::uint32_t run(const std::vector<ebpf::Insn>& insns, const Packet& packet) {
  const auto execution = ebpf::interpret(
      insns, packet, ebpf::entry_state({}, static_cast<std::uint32_t>(packet.size())));
  EXPECT_TRUE(execution) << execution.error().message;
  return execution ? static_cast<std::uint32_t>(execution->registers[4]) : 0xdead;
}

/// What the set should answer: the number of the first filter that matches.
std::uint32_t first_match(const std::vector<Filter>& filters, const Packet& packet) {
  for (std::size_t i = 0; i < filters.size(); ++i) {
    if (interpret(filters[i], packet, static_cast<std::uint32_t>(packet.size())).value() != 0) {
      return static_cast<std::uint32_t>(i + 1);
    }
  }
  return 0;
}

void expect_first_matches(const std::vector<Filter>& filters) {
  const auto optimized = compiled(filters, {});
  const auto plain = compiled(filters, {.optimize = false});
  differential::Dice dice(1);
  std::vector<bool> seen(filters.size() + 1, false);
  for (const Filter& filter : filters) {
    for (const Packet& packet : differential::explore(filter, 150, dice)) {
      const std::uint32_t expected = first_match(filters, packet);
      seen[expected] = true;
      ASSERT_EQ(run(optimized, packet), expected);
      ASSERT_EQ(run(plain, packet), expected);
    }
  }
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_TRUE(seen[i]) << "no packet was made for the answer " << i;
  }
}

TEST(CompileSet, TheFirstMatchCounts) {
  expect_first_matches(
      from_expressions({"udp dst port 53", "tcp dst port 80", "ip host 192.0.2.1", "ip6", "arp"}));
}

TEST(CompileSet, RulesMayOverlap) {
  expect_first_matches(
      from_expressions({"ip and host 192.0.2.1 and udp port 53", "ip and host 192.0.2.1 and udp",
                        "ip and host 192.0.2.1", "src net 192.0.2.0/24", "udp", "portrange 50-60",
                        "tcp[tcpflags] & tcp-syn != 0", "greater 90"}));
}

TEST(CompileSet, AFilterMayReturnWhatItReads) {
  expect_first_matches({from_text("2,48 0 0 0,22 0 0 0"), from_text("2,40 0 0 1,22 0 0 0"),
                        from_text("2,128 0 0 0,22 0 0 0")});
}

TEST(CompileSet, OneFilter) {
  expect_first_matches(from_expressions({"udp port 53"}));
}

/// Two ways that leave different numbers in A and all scratch slots, which are added up behind ten questions.
std::string program_with_many_cells() {
  std::vector<std::string> insns = {"48 0 0 0", "21 0 33 1"};
  for (const int way : {0, 1}) {
    for (int slot = 0; slot < 16; ++slot) {
      insns.push_back(fmt::format("0 0 0 {}", 100 * way + slot));
      insns.push_back(fmt::format("2 0 0 {}", slot));
    }
    if (way == 0) {
      insns.emplace_back("5 0 0 32");
    }
  }
  insns.emplace_back("4 0 0 1");
  insns.emplace_back("7 0 0 0");
  constexpr int kQuestions = 10;
  for (int i = 0; i < kQuestions; ++i) {
    insns.push_back(fmt::format("48 0 0 {}", i + 1));
    insns.push_back(fmt::format("21 {} 0 7", 2 * (kQuestions - i - 1) + 3 * 16 + 1));
  }
  for (int slot = 0; slot < 16; ++slot) {
    insns.push_back(fmt::format("96 0 0 {}", slot));
    insns.emplace_back("12 0 0 0");
    insns.emplace_back("7 0 0 0");
  }
  insns.emplace_back("22 0 0 0");
  insns.emplace_back("6 0 0 0");
  return fmt::format("{},{}", insns.size(), fmt::join(insns, ","));
}

TEST(CompileSet, ValuesBeyondTheRegistersLieOnTheStack) {
  const Filter many = from_text(program_with_many_cells());
  const std::string code = ebpf::print(compiled({many}, {}));
  EXPECT_NE(code.find("*(u32 *)(r10 -48) = "), std::string::npos) << code;
  // and one that matches some of what it does not: ldb [3]; jeq #7
  expect_first_matches({many, from_text("4,48 0 0 3,21 0 1 7,6 0 0 1,6 0 0 0")});
}

TEST(CompileSet, AThousandRules) {
  std::vector<std::string> rules;
  for (int i = 0; i < 1000; ++i) {
    rules.push_back(fmt::format("udp and src host 10.{}.{}.{} and dst port {}", i % 3, i / 200,
                                i % 200 + 1, 1000 + i % 97));
  }
  const std::vector<Filter> filters = from_expressions(rules);
  const std::clock_t start = std::clock();
  const auto code = compile_ebpf_set(filters, {});
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  ASSERT_TRUE(code) << code.error().message;
  constexpr double kMostSeconds =
      xdpcap::kIsSanitized ? 10 : 1;  // checks take several times what they check
  EXPECT_LT(seconds, kMostSeconds);
  const auto insns = compiled(filters, {});
  differential::Dice dice(5);
  std::size_t matches = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto rule = dice.below(1000);
    Packet packet(42, 0);
    packet[12] = 8;
    packet[14] = 0x45;
    packet[23] = dice.one_in(20) ? 6 : 17;
    const auto put = [&](std::size_t at, std::uint32_t number) {
      packet[at] = static_cast<std::uint8_t>(number);
    };
    put(26, 10);
    put(27, rule % 3);
    put(28, rule / 200);
    put(29, dice.one_in(3) ? dice.below(256) : rule % 200 + 1);
    const std::uint32_t port = 1000 + (dice.one_in(3) ? dice.below(97) : rule % 97);
    put(36, port >> 8);
    put(37, port);
    if (dice.one_in(10)) {
      packet.resize(dice.below(42));
    }
    const std::uint32_t expected = first_match(filters, packet);
    ASSERT_EQ(run(insns, packet), expected);
    matches += expected != 0 ? 1 : 0;
  }
  EXPECT_GT(matches, 500U);
  EXPECT_LT(matches, 1900U);
}

TEST(CompileSet, Errors) {
  const auto none = compile_ebpf_set({}, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::InvalidArgument);
  EXPECT_EQ(none.error().message, "compile filter set: there is no filter in it");
  const std::vector<Filter> filters = from_expressions({"udp"});
  const auto labels = compile_ebpf_set(filters, {.match_label = "match", .no_match_label = "miss"});
  ASSERT_FALSE(labels);
  EXPECT_EQ(labels.error().code, Errc::InvalidArgument);
  EXPECT_EQ(labels.error().option, "match_label");
  // ld [ancillary cpu]
  const auto refused =
      compile_ebpf_set(std::vector{filters.front(), from_text("2,32 0 0 4294963236,22 0 0 0")}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Unsupported);
  EXPECT_TRUE(refused.error().message.starts_with("compile filter 2 of the set: "))
      << refused.error().message;
}

}  // namespace
}  // namespace cbpfc
