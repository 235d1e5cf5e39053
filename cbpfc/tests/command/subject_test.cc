// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/subject.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/testing/temporary_directory.h"
#include "cbpfc/input/filter_text.h"

namespace command {
namespace {

using cbpfc::Errc;

TEST(SubjectText, CommentsAndLineBreaksGo) {
  const struct {
    const char* text;
    const char* kept;
  } cases[] = {
      {"", ""},
      {"\n \t\n", ""},
      {"ip\n", "ip"},
      {"# a comment\nip", "ip"},
      {"  # a comment", ""},
      {"ip and # version 4\n  udp\n", "ip and udp"},
      {"port 80\t#web", "port 80"},
      {"port 80#web", "port 80"},  // as tcpdump has it
      {"port 80#web # http\nor port 443#tls", "port 80 or port 443"},
      {"ip#", "ip"},
      {"ip\r\nand udp\r\n", "ip and udp"},
      // A program: its '#' are in front of constants.
      {"# ours\n(000) ret      #65535\n", "(000) ret      #65535"},
      {"# ours\n1\n6 0 0 65535\n", "1\n6 0 0 65535"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(without_comments(one.text), one.kept) << one.text;
  }
}

TEST(SubjectText, ReadsProgramsInEveryForm) {
  for (const char* text : {"(000) ret      #7\n", "{ 0x6, 0, 0, 0x00000007 },\n", "1\n6 0 0 7\n",
                           "1,6 0 0 7", "1,6 0 0 7,"}) {
    const auto source = compile_source(text, {});
    ASSERT_TRUE(source) << text << source.error().message;
    EXPECT_EQ(source->program, (std::vector<cbpfc::RawInsn>{{.code = 6, .k = 7}})) << text;
    EXPECT_EQ(source->text, "program of 1 instruction");
  }
}

TEST(SubjectText, TheLinkTypeDecidesWhatAnExpressionReads) {
  const auto ethernet = compile_source("ip", {});
  const auto raw = compile_source("ip", *cbpfc::parse_link_type("RAW"));
  ASSERT_TRUE(ethernet && raw);
  EXPECT_NE(ethernet->program, raw->program);
}

class SubjectFiles : public ::testing::Test {
 protected:
  std::string write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  xdpcap::test::TemporaryDirectory directory_;
  std::string path_ = directory_.path("filters");
};

TEST_F(SubjectFiles, OneFilter) {
  const auto subject = read_subject({.file = write("ip # four\nand udp\n")});
  ASSERT_TRUE(subject) << subject.error().message;
  EXPECT_FALSE(subject->is_set);
  EXPECT_EQ(subject->describe(), "ip and udp");
}

TEST_F(SubjectFiles, ASetOfFilters) {
  const auto subject =
      read_subject({.set_file = write("# rules\nudp port 53\n\n1,6 0 0 7\ntcp # rest\n")});
  ASSERT_TRUE(subject) << subject.error().message;
  EXPECT_TRUE(subject->is_set);
  ASSERT_EQ(subject->sources.size(), 3U);
  EXPECT_EQ(subject->sources[0].text, "udp port 53");
  EXPECT_EQ(subject->sources[1].text, "program of 1 instruction");
  EXPECT_EQ(subject->sources[2].text, "tcp");
  EXPECT_EQ(subject->describe(), "set of 3 filters");
  EXPECT_EQ(subject->filters().size(), 3U);
}

TEST_F(SubjectFiles, MatchingNothingIsAnErrorUnlessInASet) {
  EXPECT_TRUE(read_subject({.set_file = write("ip and ip6\nip\n")}));
  EXPECT_TRUE(read_subject({.text = "1,6 0 0 0"}));
  for (const InputOptions& input :
       {InputOptions{.text = "ip and ip6"}, InputOptions{.file = write("ip and ip6\n")}}) {
    const auto subject = read_subject(input);
    ASSERT_FALSE(subject);
    EXPECT_TRUE(subject.error().message.ends_with(
        "expression \"ip and ip6\": expression rejects all packets"))
        << subject.error().message;
  }
}

TEST_F(SubjectFiles, Errors) {
  const struct {
    InputOptions input;
    Errc code;
    std::string message;
  } cases[] = {
      {{.file = write("ip\n") + "x"},
       Errc::NotFound,
       "read " + path_ + "x: No such file or directory"},
      {{.file = directory_.path(".")},
       Errc::Io,
       "read " + directory_.path(".") + ": Is a directory"},
      {{.file = write("# nothing\n")},
       Errc::InvalidArgument,
       "read " + path_ + ": no filter in it; the filter that matches everything is ''"},
  };
  for (const auto& one : cases) {
    const auto subject = read_subject(one.input);
    ASSERT_FALSE(subject) << one.message;
    EXPECT_EQ(subject.error().code, one.code);
    EXPECT_EQ(subject.error().message, one.message);
  }
}

TEST_F(SubjectFiles, ErrorsInTheTextNameItsPlace) {
  const auto expression = read_subject({.file = write("ip and and\n")});
  ASSERT_FALSE(expression);
  EXPECT_EQ(expression.error().code, Errc::Syntax);
  EXPECT_EQ(expression.error().message,
            path_ + R"(: expression "ip and and": syntax error at column 8, at "and")");
  const auto set = read_subject({.set_file = write("ip\n\nip and and\n")});
  ASSERT_FALSE(set);
  EXPECT_TRUE(set.error().message.starts_with(path_ + ", line 3: expression \"ip and and\": "))
      << set.error().message;
  const auto empty = read_subject({.set_file = write("\n#\n")});
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message, "read " + path_ + ": no filter in it, one a line is wanted");
  const auto program = read_subject({.text = "2,40 0 0 12,255 0 0 0"});
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code, Errc::InvalidProgram);
  EXPECT_TRUE(program.error().message.starts_with("program: instruction 1: "))
      << program.error().message;
}

}  // namespace
}  // namespace command
