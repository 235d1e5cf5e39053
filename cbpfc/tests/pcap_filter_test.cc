// SPDX-License-Identifier: BSD-3-Clause
//
// Expressions against libpcap itself, the place of every kind of fault, unset scratch slots, link
// types.

#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/testing/libpcap_program.h"

namespace cbpfc {
namespace {

using xdpcap::test::libpcap_program;

constexpr int kEthernet = 1;
constexpr int kRaw = 12;

const std::vector<std::string> kSound = {
    "",
    " \n",
    "ip",
    "tcp port 80",
    "host 192.0.2.1 or host 2001:db8::1",
    "net 192.0.2.0/24 and not udp",
    "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
    "udp[10] & 0x80 = 0",
    "ip[2:2] - ((ip[0]&0xf)<<2) > 576",
    "icmp or portrange 1000-2000",
    "len > 100 and 1 = 1",
};

TEST(CompileExpression, IsLibpcapsProgramWhereThatIsValid) {
  for (const std::string& expression : kSound) {
    for (const int dlt : {kEthernet, kRaw}) {
      const auto program = compile_expression(expression, {.dlt = dlt});
      ASSERT_TRUE(program.has_value()) << program.error().message;
      EXPECT_EQ(*program, libpcap_program(expression, dlt)) << expression;
      EXPECT_TRUE(Filter::decode(*program).has_value()) << expression;
    }
  }
}

TEST(CompileExpression, ReturnsTheMatchValue) {
  for (const std::uint32_t value : {1U, 96U, 0x7fffffffU, 0xffffffffU}) {
    const auto program = compile_expression("ip", {.match_value = value});
    ASSERT_TRUE(program.has_value());
    EXPECT_EQ(*program, (std::vector<RawInsn>{
                            {40, 0, 0, 12}, {21, 0, 1, 2048}, {6, 0, 0, value}, {6, 0, 0, 0}}));
  }
  EXPECT_EQ(compile_expression("ip", {.match_value = 0}).error().code, Errc::InvalidArgument);
}

TEST(CompileExpression, ClearsScratchSlotsThatAreReadUnset) {
  for (const std::string expression : {"geneve or tcp port 80", "geneve or vlan 3",
                                       "geneve 5 or (geneve and ip)", "geneve and tcp port 80"}) {
    const std::vector<RawInsn> original = libpcap_program(expression).value();
    const auto program = compile_expression(expression);
    ASSERT_TRUE(program.has_value()) << program.error().message;
    const auto filter = Filter::decode(*program);
    EXPECT_TRUE(filter.has_value()) << expression << ": " << filter.error().message;
    if (Filter::decode(original).has_value()) {
      EXPECT_EQ(*program, original) << expression;
      continue;
    }
    // ld #0, stores to distinct slots, then libpcap's program; no store can be left out.
    const std::size_t added = program->size() - original.size();
    ASSERT_GE(added, 2U) << expression;
    EXPECT_EQ(
        std::vector<RawInsn>(program->begin() + static_cast<std::ptrdiff_t>(added), program->end()),
        original);
    EXPECT_EQ(program->front(), (RawInsn{0x00, 0, 0, 0}));
    for (std::size_t i = 1; i < added; ++i) {
      EXPECT_EQ(program->at(i).code, 0x02);
      std::vector<RawInsn> without = *program;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_FALSE(Filter::decode(without).has_value()) << expression;
    }
  }
  EXPECT_FALSE(Filter::decode(libpcap_program("geneve or tcp port 80").value()).has_value())
      << "libpcap stores to these slots now: choose another expression";
}

TEST(CompileExpression, LeavesBackwardJumpsAlone) {
  const std::string expression = "ip6 protochain 6";
  const auto program = compile_expression(expression);
  ASSERT_TRUE(program.has_value());
  EXPECT_EQ(*program, libpcap_program(expression));
  EXPECT_FALSE(Filter::decode(*program).has_value());
}

TEST(CompileExpression, ShowsWhereTheFaultIs) {
  struct Case {
    std::string expression;
    std::string message;
    std::string detail;
  };
  const std::vector<Case> cases = {
      {"tcp pport 80", "expression \"tcp pport 80\": syntax error at column 5, at \"pport\"",
       "  tcp pport 80\n      ^"},
      {"foo", "syntax error at column 1, at \"foo\"", "  foo\n  ^"},
      {"tcp port", "syntax error at column 9, at the end", "  tcp port\n          ^"},
      {"(tcp and (udp", "syntax error at column 14, at the end",
       "  (tcp and (udp\n               ^"},
      {"tcp) or udp", "syntax error at column 4, at \")\"", "  tcp) or udp\n     ^"},
      {"host foo or tcp", "unknown host 'foo' at column 6, at \"foo\"",
       "  host foo or tcp\n       ^"},
      {"port foo and port foo", "unknown port 'foo' at column 6, at \"foo\"",
       "  port foo and port foo\n       ^"},
      {"tcp port 99999 or udp", "illegal port number 99999 > 65535 at column 10, at \"99999\"",
       "  tcp port 99999 or udp\n           ^"},
      {"net 1.2.3.4/24", "non-network bits set in \"1.2.3.4/24\" at column 13, at \"24\"", ""},
      {"ip[0:3] = 1", "data size must be 1, 2, or 4 at column 7", ""},
      {"tcp and 1:2:::3: or udp", "bogus ethernet address 1:2:::3: at column 9, at \"1:2:::3:\"",
       "  tcp and 1:2:::3: or udp\n          ^"},
      {"ether host 1:2:3", "at column 12, at \"1:2:3\"", ""},
      {"tcp\n and\tpport",
       "expression \"tcp  and pport\": syntax error in filter expression at column 10, at \"pport\"",
       "  tcp  and pport\n           ^"},
      {"ip[1]/0=1", "division by zero at column 7, at \"0\"", ""},
      {"tcp \xc3\xbc"
       "ber udp",
       "syntax error at column 5, at \"??ber\"", ""},
      {std::string("tcp\0udp", 7), "expression \"tcp?udp\": NUL character at column 4, at \"?\"",
       "  tcp?udp\n     ^"},
      {"vlan 5000", "VLAN tag 5000 greater than maximum 4095 at column 6, at \"5000\"", ""},
      {"1 = 2", "expression \"1 = 2\": expression rejects all packets", ""},
  };
  for (const Case& c : cases) {
    const auto program = compile_expression(c.expression);
    ASSERT_FALSE(program.has_value()) << c.expression;
    const Error& error = program.error();
    EXPECT_EQ(error.code, Errc::Syntax);
    EXPECT_NE(error.message.find(c.message), std::string::npos)
        << error.message << "\nnot: " << c.message;
    EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
    if (!c.detail.empty()) {
      EXPECT_EQ(error.detail, c.detail);
    }
  }
}

TEST(CompileExpression, RefusesWhatCanMatchNothing) {
  for (const char* expression :
       {"ip and ip6", "1 = 2", "tcp and not ip and not ip6", "ip[0] > 255",
        "less 10 and greater 20", "ip[0] & 0 = 1", "ip host 1.2.3.4 and ip6", "not (1 = 1)",
        "udp and icmp", "vlan and ip and arp", "(host 1.2.3.4 or host 1.2.3.5) and arp and udp",
        "tcp[13] = 2 and tcp[13] = 3 and ip"}) {
    const auto program = compile_expression(expression);
    ASSERT_FALSE(program) << expression;
    EXPECT_EQ(program.error().message,
              "expression \"" + std::string(expression) + "\": expression rejects all packets");
    EXPECT_EQ(program.error().detail, "");
    const auto in_set = compile_expression(expression, {.may_match_nothing = true});
    EXPECT_EQ(in_set.value(), libpcap_program(expression).value()) << expression;
  }
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

TEST(CompileExpression, RefusesListsThatCanMatchNothing) {
  const std::string hosts = repeat("host 1.2.3.4 or ", 100) + "host 1.2.3.5";
  EXPECT_FALSE(compile_expression("arp and udp and (" + hosts + ")"));
  EXPECT_FALSE(compile_expression("(" + hosts + ") and udp and not ip and not ip6"));
  EXPECT_TRUE(compile_expression("not (" + hosts + ") and udp"));
  // The shortest way to a match is none.
  EXPECT_TRUE(compile_expression("(arp and udp) or (" + hosts + ")"));
  EXPECT_TRUE(compile_expression("(1 = 2 or " + hosts + ") and (2 = 3 or " + hosts + ")"));
}

/// Those that a compiler may take for such, if it looks too quickly.
TEST(CompileExpression, TakesWhatCanMatchLittle) {
  for (const char* expression :
       {"ip or ip6", "not (ip and ip6)", "vlan and ip", "len > 100000", "ether[70000] = 1",
        "ip6 and ip6[6] = 6", "icmp6", "tcp port 80 and port 80", "ip proto 47 and ip[20] = 1",
        "ip6 protochain 6 and tcp", "geneve and ip", "mpls and ip6",
        "host 1.2.3.4 and host 1.2.3.5", "tcp[0] = 1 and tcp[1] = 2 and ip[1] = 3"}) {
    const auto program = compile_expression(expression);
    EXPECT_TRUE(program) << program.error().message;
  }
}

TEST(CompileExpression, ShowsWhatToWriteForIpv6) {
  const struct {
    const char* expression;
    const char* protocol;  ///< empty: IPv6 is not the cause
    const char* advice;
  } cases[] = {
      {"ip6 and tcp[13] & 2 != 0", "tcp", "ip6[6] = 6 and (ip6 and ip6[40 + 13] & 2 != 0)"},
      {"tcp[13] & 2 != 0 and ip6", "tcp", "ip6[6] = 6 and (ip6[40 + 13] & 2 != 0 and ip6)"},
      {"ip6 and tcp[tcpflags] & tcp-syn != 0", "tcp",
       "ip6[6] = 6 and (ip6 and ip6[40 + tcpflags] & tcp-syn != 0)"},
      {"ip6 and udp[0:2]=53", "udp", "ip6[6] = 17 and (ip6 and ip6[40 + 0:2]=53)"},
      {"ip6 and icmp[icmptype] = 128", "icmp",
       "ip6[6] = 58 and (ip6 and ip6[40 + icmptype] = 128)"},
      {"ip6 and (udp[0x0a] & 0x80 = 0 or udp[012] = 3)", "udp",
       "ip6[6] = 17 and (ip6 and (ip6[40 + 0x0a] & 0x80 = 0 or ip6[40 + 012] = 3))"},
      {"ip6 and ((tcp[12] & 0xf0) >> 2) = 20", "tcp",
       "ip6[6] = 6 and (ip6 and ((ip6[40 + 12] & 0xf0) >> 2) = 20)"},
      {"host 2001:db8::1 and tcp port 80 and tcp[13] = 2", "tcp",
       "ip6[6] = 6 and (host 2001:db8::1 and tcp port 80 and ip6[40 + 13] = 2)"},
      {"ip6 and 5 < tcp[tcp[12] >> 2:1]", "", ""},  // 40 + ip6[52] >> 2 is a quarter of the sum
      {"ip and ip6 and tcp[13] = 2", "", ""},
      {"arp and tcp[13] = 2", "", ""},
      {"udp and tcp[13] = 2", "", ""},
      {"ip6 and tcp[13] > 255", "", ""},
      {"tcp[13] = 2 and tcp[13] = 3", "", ""},
  };
  for (const auto& one : cases) {
    const auto program = compile_expression(one.expression);
    ASSERT_FALSE(program) << one.expression;
    const std::string advice = *one.protocol == '\0'
                                   ? ""
                                   : std::string(": ") + one.protocol +
                                         "[...] looks into IPv4 only, for IPv6 write \"" +
                                         one.advice + "\"";
    EXPECT_EQ(program.error().message, "expression \"" + std::string(one.expression) +
                                           "\": expression rejects all packets" + advice);
    EXPECT_TRUE(advice.empty() || compile_expression(one.advice)) << one.advice;
  }
}

TEST(CompileExpression, NamesNoPlaceWhenTheLinkTypeIsAtFault) {
  const auto program = compile_expression("tcp", {.dlt = 9999});
  ASSERT_FALSE(program.has_value());
  EXPECT_NE(program.error().message.find("unknown data link type 9999"), std::string::npos);
  EXPECT_EQ(program.error().detail, "");
}

TEST(CompileExpression, CutsLongExpressionsAroundThePlace) {
  const std::string expression = repeat("tcp or ", 500) + "pport 80" + repeat(" or udp", 500);
  const auto program = compile_expression(expression);
  ASSERT_FALSE(program.has_value());
  const Error& error = program.error();
  EXPECT_LT(error.message.size(), 200U);
  EXPECT_NE(error.message.find("at column 3501, at \"pport\""), std::string::npos) << error.message;
  const std::size_t line_break = error.detail.find('\n');
  ASSERT_NE(line_break, std::string::npos);
  EXPECT_LT(line_break, 90U);
  const std::size_t caret = error.detail.size() - 1 - (line_break + 1);
  EXPECT_EQ(error.detail.substr(caret, 5), "pport") << error.detail;
}

// The words of the file that an expression comes from may be secret.
TEST(CompileExpression, ErrorsNeedNotQuote) {
  const struct {
    std::string expression;
    std::string message;
    std::optional<std::size_t> offset;
  } cases[] = {
      {"tcp pport 80", "syntax error", 4},
      {"tcp port", "syntax error, at the end", 8},
      {"udp and host s3cret.invalid", "unknown host", 13},
      {"ip proto s3cret", "unknown ip proto", 9},
      {"ether host 1:2:3:4:5:6:7", "bogus ethernet address", 11},
      {"ip and 1:2:::3:", "bogus ethernet address", 7},
      {"tcp port 80 or s3cret s3cret", "unknown port", 15},
      {"mtp2 s3cret", "syntax error", 0},
      {std::string("s3cret\0", 7), "NUL character", 6},
      {"ip and ip6 and net s3cret", "unknown network", 19},
      {"ip6 and tcp[13] = 99", "expression rejects all packets", std::nullopt},
  };
  for (const auto& one : cases) {
    const auto program = compile_expression(one.expression, {.quotes = false});
    ASSERT_FALSE(program) << one.expression;
    EXPECT_EQ(program.error().code, Errc::Syntax);
    EXPECT_EQ(program.error().message, one.message) << one.expression;
    EXPECT_EQ(program.error().detail, "");
    EXPECT_EQ(program.error().offset, one.offset) << one.expression;
  }
}

TEST(CompileExpression, RefusesOrCompilesHugeExpressionsSoon) {
  const auto start = std::chrono::steady_clock::now();
  // Without the limit on words libpcap overruns the stack here.
  const auto too_many = compile_expression(repeat("host 1.2.3.4 or ", 10'000) + "geneve");
  ASSERT_FALSE(too_many.has_value());
  EXPECT_NE(too_many.error().message.find("30001 words"), std::string::npos)
      << too_many.error().message;
  EXPECT_FALSE(compile_expression(repeat("geneve or ", 150'000) + "tcp").has_value());
  EXPECT_TRUE(compile_expression(repeat("tcp or ", 10'000) + "tcp").has_value());
  EXPECT_TRUE(compile_expression(repeat("host 1.2.3.4 or ", 6'000) + "tcp").has_value());
  EXPECT_FALSE(compile_expression(repeat("port(1||", 100'000)).has_value());
  EXPECT_FALSE(compile_expression(repeat("(", 1'000'000)).has_value());
  EXPECT_FALSE(compile_expression(repeat("not ", 250'000)).has_value());
  EXPECT_FALSE(compile_expression(repeat("a", 1'000'000)).has_value());
  EXPECT_FALSE(compile_expression("host " + repeat("a", 1'000'000)).has_value());
  EXPECT_FALSE(compile_expression(repeat("1:", 500'000)).has_value());
  EXPECT_FALSE(compile_expression(std::string(1'000'000, '\0')).has_value());
  EXPECT_TRUE(compile_expression(std::string(1'000'000, ' ')).has_value());
  EXPECT_TRUE(
      compile_expression("ip src host (" + repeat("10.0.0.1 or ", 1000) + "10.0.0.2)").has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(ParseLinkType, FindsNamesAndBothNumberings) {
  struct Case {
    std::string text;
    LinkType expected;
  };
  const std::vector<Case> cases = {
      {"EN10MB", {1, 1, "EN10MB"}},
      {"en10mb", {1, 1, "EN10MB"}},
      {"DLT_EN10MB", {1, 1, "EN10MB"}},
      {"dlt_raw", {12, 101, "RAW"}},
      {"RAW", {12, 101, "RAW"}},
      {"12", {12, 101, "RAW"}},
      {"101", {12, 101, "RAW"}},
      {"1", {1, 1, "EN10MB"}},
      {"0", {0, 0, "NULL"}},
      {"113", {113, 113, "LINUX_SLL"}},
      {"IPV4", {228, 228, "IPV4"}},
      {"PPP_ETHER", {51, 51, "PPP_ETHER"}},
      {"LOOP", {108, 108, "LOOP"}},
  };
  for (const Case& c : cases) {
    const auto type = parse_link_type(c.text);
    ASSERT_TRUE(type.has_value()) << c.text << ": " << type.error().message;
    EXPECT_EQ(type->dlt, c.expected.dlt) << c.text;
    EXPECT_EQ(type->linktype, c.expected.linktype) << c.text;
    EXPECT_EQ(type->name, c.expected.name) << c.text;
  }
}

TEST(ParseLinkType, KnowsEveryNameOfLibpcap) {
  int known = 0;
  for (int dlt = 0; dlt < 512; ++dlt) {
    const char* name = pcap_datalink_val_to_name(dlt);
    if (name == nullptr) {
      continue;
    }
    ++known;
    const auto by_number = parse_link_type(std::to_string(dlt));
    ASSERT_TRUE(by_number.has_value()) << name << ": " << by_number.error().message;
    EXPECT_EQ(by_number->dlt, dlt);
    EXPECT_EQ(by_number->name, name);
    const auto by_name = parse_link_type(name);
    ASSERT_TRUE(by_name.has_value()) << name;
    EXPECT_EQ(by_name->linktype, by_number->linktype) << name;
    // A reader of our files must come back to the same type.
    const auto back = parse_link_type(std::to_string(by_number->linktype));
    ASSERT_TRUE(back.has_value()) << name;
    EXPECT_EQ(back->linktype, by_number->linktype) << name;
  }
  EXPECT_GT(known, 100);
}

TEST(ParseLinkType, RefusesOthers) {
  for (const std::string& text :
       {std::string(""), std::string("FOO"), std::string("DLT_"), std::string("-1"),
        std::string("65535"), std::string("65536"), std::string("4294967297"), std::string("12x"),
        std::string("0x1"), std::string(" 1"), std::string("EN10MB\0X", 8),
        std::string(10'000, 'x')}) {
    const auto type = parse_link_type(text);
    ASSERT_FALSE(type.has_value()) << text;
    EXPECT_EQ(type.error().code, Errc::InvalidArgument);
    EXPECT_NE(type.error().message.find("pcap-linktype(7)"), std::string::npos);
    EXPECT_LT(type.error().message.size(), 200U);
  }
}

}  // namespace
}  // namespace cbpfc
