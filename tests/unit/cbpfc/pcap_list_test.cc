// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/pcap_list.h"

#include <cbpfc/interpret.h>
#include <cbpfc/pcap_filter.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "differential/packet_maker.h"

namespace cbpfc {
namespace {

/// Words as pcap_filter.cc makes them, for texts with spaces between all of them.
std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  std::size_t start = text.find_first_not_of(' ');
  while (start != std::string_view::npos) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    words.push_back({.start = start, .end = end});
    start = text.find_first_not_of(' ', end);
  }
  return words;
}

struct Row {
  const char* what;
  const char* expression;
  std::vector<std::string> parts;  ///< of two terms each
};

TEST(PcapList, Parts) {
  const Row rows[] = {
      {"a list", "host a or host b or host c or host d", {"host a or host b ", "host c or host d"}},
      {"a rest", "host a or port 1 or host c", {"host a or port 1 ", "host c"}},
      {"||", "host a || host b || host c", {"host a || host b ", "host c"}},
      {"directions",
       "src host a or dst port 1 or udp port 2",
       {"src host a or dst port 1 ", "udp port 2"}},
      {"bare values belong to the word before",
       "port 1 or 2 or 3 or 4 or host a or host b",
       {"port 1 or 2 or 3 or 4 or host a ", "host b"}},
      {"not",
       "not host a or not host b or not host c",
       {"not host a or not host b ", "not host c"}},
      {"brackets",
       "( host a and port 1 ) or ( host b and port 1 ) or ( host c or host d )",
       {"( host a and port 1 ) or ( host b and port 1 ) ", "( host c or host d )"}},
      {"bytes",
       "tcp [ 13 ] = 2 or tcp [ 13 ] = 18 or udp",
       {"tcp [ 13 ] = 2 or tcp [ 13 ] = 18 ", "udp"}},
      {"no more than asked for", "host a or host b", {}},
      {"only bare values", "port 1 or 2 or 3 or 4", {}},
      {"bare values in brackets", "port ( 1 or 2 or 3 or 4 ) or host a", {}},
      {"and beside or", "host a or host b or host c and port 1", {}},
      {"&&", "host a && host b or host c or host d", {}},
      {"vlan", "host a or host b or vlan 1 or host c", {}},
      {"mpls, in brackets", "host a or ( mpls and host b ) or host c", {}},
      {"not of all", "not ( host a or host b or host c )", {}},
      {"a word that is not known to name something", "host a or broadcast or host b", {}},
      {"nothing", "", {}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(list_parts(row.expression, words_of(row.expression), 2), row.parts) << row.what;
  }
}

std::string list(int terms, const std::function<std::string(int)>& term) {
  std::string text;
  for (int i = 0; i < terms; ++i) {
    text += (i == 0 ? "" : " or ") + term(i);
  }
  return text;
}

Filter compiled(const std::string& expression, const ExpressionOptions& options) {
  const auto raw = compile_expression(expression, options);
  EXPECT_TRUE(raw) << raw.error().message;
  const auto decoded = Filter::decode(*raw, Accept::Compiler);
  EXPECT_TRUE(decoded) << decoded.error().message;
  return *decoded;
}

TEST(PcapList, ListsInPartsMeanTheSame) {
  const auto host = [](int i) { return fmt::format("host 192.0.2.{}", i); };
  const auto port = [](int i) { return fmt::format("port {}", 1000 + 7 * i); };
  const std::string lists[] = {
      list(100, host),
      list(100, port),
      list(100, [&](int i) { return i % 2 == 0 ? host(i) : port(i); }),
      list(100,
           [](int i) {
             return i % 3 == 0   ? fmt::format("host 2001:db8::{:x}", i)
                    : i % 3 == 1 ? fmt::format("(udp and dst port {} and not src net 10.{}.0.0/16)",
                                               1000 + i, i)
                                 : fmt::format("tcp src port {} or {}", i, 5000 + i);
           }),
  };
  for (const std::string& text : lists) {
    const Filter in_parts = compiled(text, {.for_compiler = true});
    const Filter whole = compiled(text, {.optimize = false});
    EXPECT_NE(in_parts, whole) << "it was not cut";
    differential::Dice dice(1);
    std::size_t matches = 0;
    // Packets that were made for one of the two walk along the paths of both.
    for (const Filter* made_for : {&in_parts, &whole}) {
      for (const differential::Packet& packet : differential::explore(*made_for, 300, dice)) {
        const auto length = static_cast<std::uint32_t>(packet.size());
        const std::uint32_t expected = interpret(whole, packet, length).value();
        ASSERT_EQ(interpret(in_parts, packet, length).value(), expected) << text;
        matches += expected != 0 ? 1 : 0;
      }
    }
    EXPECT_GT(matches, 10U) << text;
  }
}

}  // namespace
}  // namespace cbpfc
