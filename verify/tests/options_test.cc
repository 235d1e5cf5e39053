// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/options.h"

#include <gtest/gtest.h>

namespace check {
namespace {

using cbpfc::Result;
using Words = std::vector<std::string>;

Result<std::optional<Options>> parse(std::string_view subcommand, const Words& words) {
  const Subcommand* const found = find_subcommand(subcommand);
  EXPECT_NE(found, nullptr) << subcommand;
  return parse_check_options(*found, words);
}

/// Of a command line that is right.
Options options(std::string_view subcommand, const Words& words) {
  auto parsed = parse(subcommand, words);
  EXPECT_TRUE(parsed && *parsed) << subcommand;
  return std::move(**parsed);
}

TEST(CheckOptions, EachSubcommandHasItsOwn) {
  EXPECT_EQ(options("prove", {"--timeout", "3", "ip"}).prove_seconds, 3U);
  const Options match = options("match", {"in", "-w", "out", "udp", "--engine", "ebpf", "port"});
  EXPECT_EQ(match.capture_file, "in");
  EXPECT_EQ(match.matches_file, "out");
  EXPECT_EQ(match.engine, Engine::Ebpf);
  EXPECT_EQ(match.input.text, "udp port");
  const Options time = options("time", {"--match", "in", "--ancillary", "helpers", "ip"});
  EXPECT_EQ(time.capture_file, "in");
  EXPECT_TRUE(time.code.ebpf.ancillary.helpers);
  const Options phases = options("phases", {"--after", "lift", "--dot", "ip"});
  EXPECT_EQ(phases.phase, "lift");
  EXPECT_TRUE(phases.wants_dot);
}

TEST(CheckOptions, TheFilterAndItsCodeAreAsForCbpfc) {
  for (const char* subcommand : {"prove", "phases"}) {
    const Options given =
        options(subcommand, {"--registers", "result=R0", "--access", "buffer=99", "-y", "RAW",
                             "--no-optimize", "--branch", "-f", "file"});
    EXPECT_EQ(given.code.ebpf.result, cbpfc::ebpf::Reg::R0);
    EXPECT_EQ(given.code.ebpf.buffer_size_bytes, 99U);
    EXPECT_FALSE(given.code.ebpf.optimize);
    EXPECT_TRUE(given.code.branches);
    EXPECT_EQ(given.input.file, "file");
    EXPECT_EQ(given.input.link_type->dlt, 12);
  }
  EXPECT_TRUE(options("match", {"in"}).input.reads_standard_input());
  EXPECT_EQ(options("match", {"-", "ip"}).capture_file, "-");
  EXPECT_EQ(options("match", {"in", "-"}).input.file, "-");
}

TEST(CheckOptions, Refuses) {
  const struct {
    std::string subcommand;
    Words words;
    std::string message;
  } cases[] = {
      {"prove", {"--match", "f", "ip"}, "unknown option --match"},
      {"time", {"--registers", "result=R0", "ip"}, "unknown option --registers"},
      {"prove", {"--timeout", "0", "ip"}, "option --timeout: 0 is out of range"},
      {"match", {}, "no capture file: name one (-: standard input)"},
      {"match", {"f", "--engine", "x"}, "option --engine: \"x\" is none of kernel, interpreter, "},
      {"match",
       {"f", "--access", "probe", "ip"},
       "option --access: it has a meaning only with --engine ebpf"},
      {"match", {"-"}, "standard input cannot be both the capture file and the filter"},
      {"match", {"-", "--set", "-"}, "standard input cannot be both"},
      {"time", {"--match", "-"}, "standard input cannot be both"},
      {"phases", {"--dot", "ip"}, "option --dot: it has a meaning only with --after"},
      {"prove", {"--set", "f", "--branch"}, "option --branch: a set gives a number, not a branch"},
      {"prove", {"-F", "f", "ip"}, "an expression on the command line, -F and --set do not "},
  };
  for (const auto& one : cases) {
    const auto parsed = parse(one.subcommand, one.words);
    ASSERT_FALSE(parsed) << one.message;
    EXPECT_EQ(parsed.error().code, cbpfc::Errc::InvalidArgument);
    EXPECT_TRUE(parsed.error().message.starts_with(one.message)) << parsed.error().message;
  }
}

TEST(CheckOptions, HelpFitsAScreen) {
  std::vector<std::string> texts = {check_help()};
  for (const Subcommand& one : subcommands()) {
    texts.push_back(check_help(one));
    const auto parsed = parse(one.name, {"--help"});
    EXPECT_TRUE(parsed && !*parsed);
  }
  for (const std::string& help : texts) {
    int lines = 0;
    for (std::size_t start = 0; start < help.size(); ++lines) {
      const std::size_t end = help.find('\n', start);
      EXPECT_LE(end - start, 80U) << help.substr(start, end - start);
      start = end + 1;
    }
    EXPECT_LE(lines, 40) << help;
  }
}

}  // namespace
}  // namespace check
