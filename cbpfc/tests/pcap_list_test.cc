// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/expression/pcap_list.h"

#include <cbpfc/pcap_filter.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "base/testing/libpcap_program.h"
#include "verify/differential/generators/packet_maker.h"
#include "verify/interpreter/interpret.h"

namespace cbpfc {
namespace {

using xdpcap::test::libpcap_program;

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

/// Of the words below that cbpfc does not know as harmless.
bool is_keyword(std::string_view word) {
  return word == "geneve" || word == "newcomer";
}

struct Row {
  const char* what;
  const char* expression;
  /// Of two terms each: "text -> where it goes on when it matches, when it misses", T and F for the ends.
  std::vector<std::string> parts;
};

/// Empty for an expression that is not cut.
std::vector<std::string> described(std::string_view expression) {
  const std::vector<ListPart> all = list_parts(expression, words_of(expression), 2, is_keyword);
  std::vector<std::string> parts;
  for (const ListPart& part : all.size() > 1 ? all : std::vector<ListPart>()) {
    const auto target = [](std::size_t next) {
      return next == ListPart::kMatch     ? std::string("T")
             : next == ListPart::kNoMatch ? std::string("F")
                                          : std::to_string(next);
    };
    parts.push_back(
        fmt::format("{} -> {} {}", part.text, target(part.on_match), target(part.on_miss)));
  }
  return parts;
}

TEST(PcapList, Parts) {
  const Row rows[] = {
      {"a list",
       "host a or host b or host c or host d",
       {"host a or host b -> T 1", "host c or host d -> T F"}},
      {"a rest", "host a or port 1 or host c", {"host a or port 1 -> T 1", "host c -> T F"}},
      {"||", "host a || host b || host c", {"host a || host b -> T 1", "host c -> T F"}},
      {"directions",
       "src host a or dst port 1 or udp port 2",
       {"src host a or dst port 1 -> T 1", "udp port 2 -> T F"}},
      {"src or dst is one qualifier",
       "src or dst host a or dst or src port 1 or src and dst net 1.0.0.0/8",
       {"src or dst host a or dst or src port 1 -> T 1", "src and dst net 1.0.0.0/8 -> T F"}},
      {"bare values have the qualifier of the one before",
       "udp port 1 or 2 or 3 or not 4 or host a or host b",
       {"udp port 1 or 2 -> T 1", "udp port 3 or not 4 -> T 2", "host a or host b -> T F"}},
      {"bare values behind brackets have the one from before them",
       "port 1 or ( host a or host b ) or 2",
       {"port 1 -> T 1", "( host a or host b ) -> T 2", "port 2 -> T F"}},
      {"values in brackets behind a qualifier",
       "dst host ( 1.1.1.1 or b or 2::2 ) or port 5",
       {"dst host 1.1.1.1 or b -> T 1", "dst host 2::2 -> T 2", "port 5 -> T F"}},
      {"values in brackets in brackets, which libpcap may refuse",
       "host ( ( 1.1.1.1 or 1.1.1.2 ) or ( 1.1.1.3 ) )",
       {}},
      {"a term among values, which libpcap refuses", "port 1 or ( 2 or 3 or tcp port 4 )", {}},
      {"not",
       "not host a or not host b or not host c",
       {"not host a or not host b -> T 1", "not host c -> T F"}},
      {"and", "host a && host b and port 1", {"host a && host b -> 1 F", "port 1 -> T F"}},
      {"and not",
       "not host a and not host b and not ! host c",
       {"not host a and not host b -> 1 F", "not ! host c -> T F"}},
      {"not of all",
       "not ( host a or host b or host c )",
       {"host a or host b -> F 1", "host c -> F T"}},
      {"not of not",
       "not ! ( host a or port 1 or host c )",
       {"host a or port 1 -> T 1", "host c -> T F"}},
      {"and behind or: both bind alike, to the left",
       "host a or host b or host c and port 1 or port 2",
       {"host a or host b -> 2 1", "host c -> 2 3", "port 1 -> T 3", "port 2 -> T F"}},
      {"lists in lists",
       "tcp and not ( port 1 or port 2 or port 3 ) and host a",
       {"tcp -> 1 F", "port 1 or port 2 -> F 2", "port 3 -> F 3", "host a -> T F"}},
      {"brackets",
       "( host a and port 1 ) or ( host b and port 1 ) or ( host c or host d )",
       {"( host a and port 1 ) -> T 1", "( host b and port 1 ) -> T 2",
        "( host c or host d ) -> T F"}},
      {"bytes",
       "tcp [ 13 ] = 2 or tcp [ 13 ] = 18 or udp",
       {"tcp [ 13 ] = 2 or tcp [ 13 ] = 18 -> T 1", "udp -> T F"}},
      {"sums in brackets are not lists",
       "( ip [ 2 : 2 ] + 1 ) = 5 or len = ( 3 + 4 ) or udp",
       {"( ip [ 2 : 2 ] + 1 ) = 5 or len = ( 3 + 4 ) -> T 1", "udp -> T F"}},
      {"vlan in front",
       "vlan 5 and vlan and ( host a or host b or host c )",
       {"vlan 5 and vlan -> 1 F", "vlan 5 and vlan and (host a or host b) -> T 2",
        "vlan 5 and vlan and (host c) -> T F"}},
      {"vlan in front of not",
       "vlan and not ( host 1.1.1.1 or 1.1.1.2 or 1.1.1.3 ) and tcp",
       {"vlan -> 1 F", "vlan and (host 1.1.1.1 or 1.1.1.2) -> F 2",
        "vlan and (host 1.1.1.3) -> F 3", "vlan and (tcp) -> T F"}},
      {"no more than asked for", "host a or host b", {}},
      {"vlan between", "host a or host b or vlan 1 or host c", {}},
      {"vlan behind not", "not vlan and host a and host b", {}},
      {"vlan and what or is left of it", "vlan 1 and host a or host b or host c", {}},
      {"mpls, in brackets", "host a or ( mpls and host b ) or host c", {}},
      {"geneve", "geneve and host a and host b and host c", {}},
      {"a word of a later libpcap's", "host a or ( newcomer 5 and host b ) or host c", {}},
      {"a name that is no word of this libpcap's",
       "host a or host vxlan or host c",
       {"host a or host vxlan -> T 1", "host c -> T F"}},
      {"a word that is not known to begin a term stays behind the one before",
       "host a or b or c or host d or host e",
       {"host a or b or c -> T 1", "host d or host e -> T F"}},
      {"or is the first", "host a or ( b or c or d )", {}},
      {"open brackets", "host a or ( host b or host c", {}},
      {"closed ones", "host a ) or ( host b or host c", {}},
      {"nothing to join", "host a or host b or host c or", {}},
      {"nothing", "", {}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(described(row.expression), row.parts) << row.what;
  }
}

TEST(PcapList, PlacesInPartsArePlacesInTheExpression) {
  const std::string text = "vlan and ( port 1 or ( 2 or 3 ) or 4 )";
  const std::vector<ListPart> parts = list_parts(text, words_of(text), 2, is_keyword);
  ASSERT_EQ(parts.size(), 4U);
  EXPECT_EQ(parts[2].text, "vlan and (port ( 2 or 3 ))");
  for (const char* word : {"2", "3"}) {
    EXPECT_EQ(parts[2].place(parts[2].text.find(word)), text.find(word));
  }
  EXPECT_EQ(parts[2].place(0), text.find("( 2"));
}

TEST(PcapList, DeepBracketsAndManyTermsTakeNoStack) {
  constexpr std::size_t kMany = 100'000;
  std::string deep;
  std::string mixed = "host a";
  for (std::size_t i = 0; i < kMany; ++i) {
    deep += "( ";
    mixed += i % 2 == 0 ? " or tcp" : " and udp";
  }
  deep += "tcp";
  for (std::size_t i = 0; i < kMany; ++i) {
    deep += " )";
  }
  EXPECT_TRUE(described(deep).empty());
  EXPECT_TRUE(described(mixed).empty());
}

std::string list(int terms, const std::function<std::string(int)>& term) {
  std::string text;
  for (int i = 0; i < terms; ++i) {
    text += (i == 0 ? "" : " or ") + term(i);
  }
  return text;
}

Filter decode(const std::vector<RawInsn>& program) {
  return Filter::decode(program, Accept::Compiler).value();
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
      fmt::format("not ({})", list(100, host)),
      fmt::format("{} or (host 192.0.2.1 or host 192.0.2.2) or 99 or 98", list(60, port)),
      fmt::format("tcp and ({}) and not ({})", list(50, host), list(60, port)),
      fmt::format("vlan 7 and tcp and not ({})", list(60, port)),
      fmt::format("mpls and ({})", list(50, host)),
      fmt::format("{} and not (src port {} or 99)", list(50, host),
                  list(50, [](int i) { return std::to_string(2000 + i); })),
      fmt::format("dst host ({}) or udp",
                  list(90, [](int i) { return fmt::format("192.0.2.{}", i); })),
  };
  for (const std::string& text : lists) {
    const Filter in_parts = decode(compile_expression(text).value());
    const Filter whole = decode(libpcap_program(text).value());
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
    EXPECT_GT(matches, 1U) << text;
  }
}

TEST(PcapList, WordsOfTheLinkedLibpcapThatAreNotKnownHereKeepAListWhole) {
  const std::string hosts = list(60, [](int i) { return fmt::format("host 192.0.2.{}", i); });
  for (const char* word : {"rarp", "carp", "tcp[tcpflags] & tcp-syn != 0", "host fe80::1"}) {
    const std::string text = fmt::format("{} or {}", hosts, word);
    EXPECT_NE(compile_expression(text).value(), libpcap_program(text).value()) << text;
  }
  for (const char* word : {"llc", "lat", "geneve"}) {
    const std::string text = fmt::format("{} or {}", hosts, word);
    EXPECT_EQ(compile_expression(text).value(), libpcap_program(text).value()) << text;
  }
}

/// Text that libpcap takes more often than not, with spaces between all words.
class ExpressionMaker {
 public:
  explicit ExpressionMaker(differential::Dice& dice) : dice_(dice) {}

  std::string list(int depth) {
    std::string text;
    const std::string join = join_word();
    for (std::uint32_t terms = dice_.between(1, 5); terms-- > 0;) {
      text += term(depth);
      text += terms == 0 ? "" : dice_.one_in(8) ? join_word() : join;
    }
    return text;
  }

 private:
  std::string join_word() { return dice_.pick({" or ", " and ", " || ", " && "}); }

  std::string address() { return fmt::format("192.0.2.{}", dice_.below(6)); }
  std::string number() { return std::to_string(dice_.between(50, 55)); }

  std::string values(int depth, bool are_ports) {
    std::string text;
    for (std::uint32_t count = dice_.between(1, 4); count-- > 0;) {
      text += dice_.one_in(6) ? "not " : "";
      text += depth > 0 && dice_.one_in(5) ? fmt::format("( {} )", values(depth - 1, are_ports))
              : are_ports                  ? number()
                                           : address();
      text += count == 0 ? "" : join_word();
    }
    return text;
  }

  std::string term(int depth) {
    const std::string front = dice_.pick({"", "", "", "not ", "! ", "not not "});
    const std::string direction =
        dice_.pick({"", "", "src ", "dst ", "src or dst ", "src and dst "});
    switch (dice_.below(12)) {
      case 0:
      case 1: return front + direction + "host " + address();
      case 2: return front + dice_.pick({"", "tcp ", "udp "}) + direction + "port " + number();
      case 3:
      case 4: return front + (dice_.one_in(2) ? address() : number());
      case 5: return front + direction + "host ( " + values(depth, false) + " )";
      case 6: return front + direction + "port ( " + values(depth, true) + " )";
      case 7: return front + dice_.pick({"tcp", "udp", "ip6", "arp", "broadcast", "less 100"});
      case 8:
        return front + dice_.pick({"ip [ 8 ] = 0", "( ip [ 8 ] + 1 ) & 1 = 1", "len > ( 3 + 4 )"});
      case 9: return dice_.one_in(6) ? "vlan" : front + "net 192.0.2.0/30";
      default: return depth > 0 ? front + "( " + list(depth - 1) + " )" : "udp";
    }
  }

  differential::Dice& dice_;
};

/// What the parts answer for a packet that has all they look at.
bool answer_of_parts(const std::vector<ListPart>& parts,
                     const std::vector<std::optional<Filter>>& filters,
                     const differential::Packet& packet) {
  std::size_t at = 0;
  while (at != ListPart::kMatch && at != ListPart::kNoMatch) {
    const auto length = static_cast<std::uint32_t>(packet.size());
    at = interpret(*filters[at], packet, length).value() != 0 ? parts[at].on_match
                                                              : parts[at].on_miss;
  }
  return at == ListPart::kMatch;
}

/// An expression that libpcap takes is cut into parts that it takes, with the same meaning; one that it refuses has a
/// part that it refuses.
TEST(PcapList, CutsWhatLibpcapUnderstandsAndAsItDoes) {
  differential::Dice dice(3);
  ExpressionMaker maker(dice);
  const auto compile = [](const std::string& text) -> std::optional<Filter> {
    const auto program = libpcap_program(text);
    return program ? std::optional(decode(*program)) : std::nullopt;
  };
  int cut = 0;
  int refused = 0;
  int matches = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = maker.list(2);
    SCOPED_TRACE(text);
    const std::vector<ListPart> parts =
        list_parts(text, words_of(text), dice.between(1, 3), is_keyword);
    if (parts.size() == 1) {
      continue;
    }
    const std::optional<Filter> whole = compile(text);
    std::vector<std::optional<Filter>> filters;
    bool are_taken = true;
    for (const ListPart& part : parts) {
      filters.push_back(compile(part.text));
      are_taken = are_taken && filters.back();
    }
    ASSERT_EQ(are_taken, whole.has_value());
    if (!whole) {
      ++refused;
      continue;
    }
    ++cut;
    for (differential::Packet packet : differential::explore(*whole, 20, dice)) {
      packet.resize(300);
      const bool expected = interpret(*whole, packet, 300).value() != 0;
      ASSERT_EQ(answer_of_parts(parts, filters, packet), expected);
      matches += expected ? 1 : 0;
    }
  }
  EXPECT_GT(cut, 300);
  EXPECT_GT(refused, 100);
  EXPECT_GT(matches, 1000);
}

}  // namespace
}  // namespace cbpfc
