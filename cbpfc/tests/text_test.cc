// SPDX-License-Identifier: BSD-3-Clause
//
// Programs as text: printing against libpcap itself, reading as the inverse of printing, and
// everything that must be refused with its place.

#include <cbpfc/text.h>
#include <gtest/gtest.h>
#include <pcap.h>

#include <array>
#include <string>
#include <vector>

namespace cbpfc {
namespace {

const std::vector<RawInsn> kIp = {
    {40, 0, 0, 12}, {21, 0, 1, 2048}, {6, 0, 0, 262144}, {6, 0, 0, 0}};

/// What libpcap prints of `program` with bpf_dump(`option`).
std::string libpcap_dump(const std::vector<RawInsn>& program, int option) {
  std::vector<bpf_insn> insns;
  for (const RawInsn& insn : program) {
    insns.push_back({insn.code, insn.jt, insn.jf, insn.k});
  }
  const bpf_program dumped = {static_cast<u_int>(insns.size()), insns.data()};
  testing::internal::CaptureStdout();
  bpf_dump(&dumped, option);
  return testing::internal::GetCapturedStdout();
}

std::vector<std::uint32_t> constants() {
  std::vector<std::uint32_t> all = {0,   1,     12,         15,         16,         31,
                                    255, 65536, 0x7fffffff, 0x80000000, 0xffe00000, 0xffffffff};
  for (std::uint32_t offset = 0; offset <= 70; ++offset) {
    all.push_back(kAncillaryOffset - 2 + offset);
  }
  return all;
}

/// Each opcode of 16 bits with each of constants(); the unknown ones too.
std::vector<RawInsn> all_insns() {
  std::vector<RawInsn> all;
  for (std::uint32_t code = 0; code < 512; ++code) {
    for (const std::uint32_t k : constants()) {
      all.push_back({static_cast<std::uint16_t>(code), 3, 250, k});
    }
  }
  all.push_back({0xffff, 255, 255, 1});
  return all;
}

TEST(PrintProgram, IsWhatLibpcapPrints) {
  const std::vector<RawInsn> program = all_insns();
  EXPECT_EQ(print_program(program, TextForm::Listing), libpcap_dump(program, 1));
  EXPECT_EQ(print_program(program, TextForm::CArray), libpcap_dump(program, 2));
  EXPECT_EQ(print_program(program, TextForm::Decimal), libpcap_dump(program, 3));
  EXPECT_EQ(print_program(kIp, TextForm::OneLine), "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0");
}

TEST(PrintProgram, PrintsTheEmptyProgram) {
  EXPECT_EQ(print_program({}, TextForm::Listing), libpcap_dump({}, 1));
  EXPECT_EQ(print_program({}, TextForm::CArray), libpcap_dump({}, 2));
  EXPECT_EQ(print_program({}, TextForm::Decimal), libpcap_dump({}, 3));
  EXPECT_EQ(print_program({}, TextForm::OneLine), "0");
}

TEST(ParseProgram, ReadsBackWhatIsPrinted) {
  const std::vector<RawInsn> program = all_insns();
  for (const TextForm form : {TextForm::CArray, TextForm::Decimal, TextForm::OneLine}) {
    const auto parsed = parse_program(print_program(program, form));
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    EXPECT_EQ(*parsed, program);
  }
}

TEST(ParseProgram, ReadsBackEveryInstructionOfAListing) {
  int known = 0;
  for (RawInsn insn : all_insns()) {
    const std::vector<RawInsn> padded = {{7, 0, 0, 0}, insn};
    const std::string listing = print_program(padded, TextForm::Listing);
    const auto parsed = parse_program(listing);
    if (listing.find("unimp") != std::string::npos) {
      ASSERT_FALSE(parsed.has_value());
      continue;
    }
    ++known;
    ASSERT_TRUE(parsed.has_value()) << listing << parsed.error().message;
    // What a listing does not show is not read back.
    EXPECT_EQ(parsed->at(1).code, insn.code);
    const bool is_branch = listing.find("jt ") != std::string::npos;
    EXPECT_EQ(parsed->at(1).jt, is_branch ? insn.jt : 0);
    EXPECT_EQ(parsed->at(1).jf, is_branch ? insn.jf : 0);
    EXPECT_EQ(print_program(*parsed, TextForm::Listing), listing);
  }
  EXPECT_EQ(known, 48 * static_cast<int>(constants().size()));
}

TEST(ParseProgram, IsTolerantOfLayout) {
  const std::array texts = {
      "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0",
      "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0,",
      "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0,\n",
      "  4 , 40 0\t0 12 ,21 0 1 2048, 6  0 0 262144,6 0 0 0 \n\n",
      "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n",
      "4\r\n40 0 0 12\r\n21 0 1 2048\r\n6 0 0 262144\r\n6 0 0 0\r\n",
      "\n4\n\n40 0 0 12,\n21 0 1 2048,\n6 0 0 262144\n\t6 0 0 0",
      "04,040 0 0 00012,21 0 1 2048,6 0 0 262144,6 0 0 0",
      "{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 1, 0x00000800 },\n{ 0x6, 0, 0, 0x00040000 },\n{ "
      "0x6, 0, 0, 0x0 },",
      "{ 0X28, 0x0, 0, 12 }, { 21, 0, 1, 0x800 }, { 6, 0, 0, 0x00040000 }, { 0x6, 0, 0, 0 }",
      "{40,0,0,12}{21,0,1,2048}{6,0,0,262144}{6,0,0,0}\r\n",
      "(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 3\n(002) ret      "
      "#262144\n(003) ret      #0\n",
      "\r\n (0) ldh [12]\r\n\t(01)jeq #2048 jt 2 jf 3\r\n\n(002) ret #0x40000 \r\n(003) ret #0",
  };
  for (const char* text : texts) {
    const auto parsed = parse_program(text);
    ASSERT_TRUE(parsed.has_value()) << text << ": " << parsed.error().message;
    EXPECT_EQ(*parsed, kIp) << text;
    EXPECT_TRUE(looks_like_program(text)) << text;
  }
}

TEST(ParseProgram, ReadsWhatOnlyFilterDecodeRefuses) {
  EXPECT_EQ(parse_program("0").value(), std::vector<RawInsn>{});
  EXPECT_EQ(parse_program("0,\n").value(), std::vector<RawInsn>{});
  EXPECT_EQ(parse_program("1,65535 255 255 4294967295").value(),
            (std::vector<RawInsn>{{65535, 255, 255, 0xffffffff}}));
  EXPECT_EQ(parse_program("(000) ld M[99]").value(), (std::vector<RawInsn>{{0x60, 0, 0, 99}}));
  EXPECT_EQ(parse_program("(000) tax\n(001) ja 0").value(),
            (std::vector<RawInsn>{{7, 0, 0, 0}, {5, 0, 0, 0xfffffffe}}));
}

TEST(ParseProgram, RefusesWithThePlace) {
  struct Case {
    std::string text;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"", "line 1, column 1: expected a program"},
      {" \n ", "line 2, column 2: expected a program"},
      {"tcp port 80", "line 1, column 1: expected a program"},
      {"3,40 0 0 12", "line 1, column 1: the program says it has 3 instructions, but 1 follows"},
      {"\n 1\n40 0 0 12\n6 0 0 0",
       "line 2, column 2: the program says it has 1 instruction, but 2 follow"},
      {"4294967295", "says it has 4294967295 instructions, but 0 follow"},
      {"4294967296",
       "line 1, column 1: the number of instructions is too large, the largest is 4294967295"},
      {"99999999999999999999999999", "line 1, column 1: the number of instructions is too large"},
      {"1,65536 0 0 0", "line 1, column 3: the opcode is too large, the largest is 65535"},
      {"1\n6 256 0 0", "line 2, column 3: jt is too large, the largest is 255"},
      {"1\n6 0 256 0", "line 2, column 5: jf is too large, the largest is 255"},
      {"1\n6 0 0 4294967296", "line 2, column 7: k is too large, the largest is 4294967295"},
      {"1\n6 0 0 -1", "line 2, column 7: expected k, a decimal number, found \"-1\""},
      {"1\n6 0 0", "line 2, column 6: expected a blank and k, found the end"},
      {"1\n6 0 0 \n0", "line 2, column 7: expected k, a decimal number, found the end of the line"},
      {"1\n6 0 0 0 0",
       "line 2, column 9: expected a comma or the end of the line after an instruction's four"},
      {"1 6 0 0 0",
       "line 1, column 3: expected a comma or the end of the line after the number of"},
      {"1,,6 0 0 0", "line 1, column 3: expected the opcode, a decimal number, found \",6\""},
      {"1,0x6 0 0 0", "line 1, column 4: expected a blank and jt, found \"x6\""},
      {std::string("1,6 0 0 0\0", 10),
       "line 1, column 10: expected a comma or the end of the line"},
      {"1,6 0 0 0\x80", "found the character 0x80"},
      {"{ 0x10000, 0, 0, 0 }", "line 1, column 3: the opcode is too large"},
      {"{ 0x6, 0, 0, 0x100000000 }", "line 1, column 14: k is too large"},
      {"{ 0x, 0, 0, 0 }",
       "line 1, column 5: expected the opcode, a hexadecimal number, found \",\""},
      {"{ 06, 0, 0, 0 }", "line 1, column 3: the opcode begins with 0, which is octal in C"},
      {"{ 6, 0, 0 }", "line 1, column 11: expected a comma before k, found \"}\""},
      {"{ 6, 0, 0, 0, 0 }", "line 1, column 13: expected \"}\" after four numbers, found \",\""},
      {"{ 6, 0, 0, 0", "line 1, column 13: expected \"}\" after four numbers, found the end"},
      {"{ 6, 0, 0, 0 },\nx",
       "line 2, column 1: expected \"{\" before the next instruction, found \"x\""},
      {"(000) unimp    0x8", "line 1, column 16: opcode 0x08 is unknown"},
      {"(000) frob x", "line 1, column 7: unknown instruction \"frob\""},
      {"(000) tax\n(002) txa", "line 2, column 1: instruction (002) where (001) is due"},
      {"(000) tax\ntxa", "line 2, column 1: expected the instruction's number \"(001)\""},
      {"(000) tax txa", "line 1, column 11: expected an operand"},
      {"(000) tax x", "line 1, column 11: \"tax\" does not take such an operand"},
      {"(000) ldx [12]", "line 1, column 11: \"ldx\" does not take such an operand"},
      {"(000) ld [x]", "line 1, column 12: expected \"+\""},
      {"(000) ld [foo]", "line 1, column 11: unknown ancillary load \"[foo]\""},
      {"(000) ld [12", "line 1, column 13: expected \"]\""},
      {"(000) ld #4294967296", "line 1, column 11: the constant is too large"},
      {"(000) ld #-2147483649", "line 1, column 12: the constant is too large"},
      {"(000) ldxb 4*([14]&0xff)",
       "line 1, column 18: expected \"]&0xf)\" after the offset, found \"]&0xff)\""},
      {"(000) ldxb 4*([14]&0xe)", "expected \"]&0xf)\""},
      {"(000) jeq #1 jt 0 jf 1",
       "line 1, column 17: jt 0 is out of reach of instruction 0, which reaches 1 to 256"},
      {"(000) jeq #1 jt 1 jf 257", "line 1, column 22: jf 257 is out of reach"},
      {"(000) jeq #1 jt 1", "line 1, column 18: expected \"jf\" and a target, found the end"},
      {"(000) jeq #1", "expected \"jt\" and a target"},
      {"(000) ret #0 x", "line 1, column 14: expected the end of the line, found \"x\""},
  };
  for (const Case& c : cases) {
    const auto parsed = parse_program(c.text);
    ASSERT_FALSE(parsed.has_value()) << c.text;
    EXPECT_EQ(parsed.error().code, Errc::Syntax) << c.text;
    EXPECT_NE(parsed.error().message.find(c.message), std::string::npos)
        << c.text << "\n is: " << parsed.error().message << "\nnot: " << c.message;
    EXPECT_EQ(parsed.error().message.find('\n'), std::string::npos) << c.text;
  }
}

TEST(ParseProgram, SurvivesEveryCutAndEveryChangedByte) {
  for (const TextForm form :
       {TextForm::Listing, TextForm::CArray, TextForm::Decimal, TextForm::OneLine}) {
    const std::string whole = print_program({{{0x28, 0, 0, 12},
                                              {0x50, 0, 0, 0xfffffffe},
                                              {0x15, 0, 1, 80},
                                              {0xb1, 0, 0, 14},
                                              {0x61, 0, 0, 3},
                                              {6, 0, 0, 0}}},
                                            form);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      (void)parse_program(std::string_view(whole).substr(0, i));
      (void)parse_program(std::string_view(whole).substr(i));
      for (int byte = 0; byte < 256; ++byte) {
        std::string changed = whole;
        changed[i] = static_cast<char>(byte);
        (void)parse_program(changed);
        (void)looks_like_program(changed);
      }
    }
  }
}

TEST(LooksLikeProgram, TellsProgramsFromExpressions) {
  for (const char* text :
       {"0", "4", "3,40 0 0 12", "3\n40 0 0 12", "1 6 0 0 0", " 1,", "{", "{ 0x28",
        "(000) ldh [12]", "(000) and #0xff", "(0) foo", "(000) unimp 0x8",
        "(000) and      x\n(001) ret      #0\n", "(000) or x\r\n\n (001) ret #0"}) {
    EXPECT_TRUE(looks_like_program(text)) << text;
  }
  for (const char* text : {"",
                           " ",
                           "tcp port 80",
                           "(tcp)",
                           "1 = 1",
                           "ip[0] = 1",
                           "1.2.3.4",
                           "1:2:3:4:5:6",
                           "(1) = 1",
                           "(1 + 1) = 2",
                           "(1) and tcp",
                           "(000)",
                           "(tcp) and (udp)",
                           "1\n= 1",
                           "10 < ip[0]",
                           "0x10 & ip[0] = 0",
                           "2<ip[0]",
                           "-1 = 1",
                           "not tcp",
                           "(1) and x",
                           "(1) or x\n",
                           "(1) and x\nand (tcp)",
                           "(1) and xen\n(2)",
                           "(1) or x and\n(2)"}) {
    EXPECT_FALSE(looks_like_program(text)) << text;
  }
}

}  // namespace
}  // namespace cbpfc
