// SPDX-License-Identifier: BSD-3-Clause

#include "base/report.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>

#include "base/tests/descriptors.h"

namespace xdpcap::cli {
namespace {

using cbpfc::Errc;
using cbpfc::Error;

TEST(Report, OneLineUnlessThereIsMoreToShow) {
  struct Case {
    Errc code;
    const char* detail;
    bool verbose;
    const char* expected;
  };
  constexpr Case kCases[] = {
      {Errc::NotFound, "", false, "xdpcap: why\n"},
      {Errc::NotFound, "", true, "xdpcap: why\n"},
      {Errc::VerifierRejected, "log 1\nlog 2\n", false, "xdpcap: why (-v shows more)\n"},
      {Errc::VerifierRejected, "log 1\nlog 2\n", true, "xdpcap: why\nlog 1\nlog 2\n"},
      {Errc::Syntax, "ip foo\n   ^", false, "xdpcap: why\nip foo\n   ^\n"},
      {Errc::Syntax, "ip foo\n   ^\n", true, "xdpcap: why\nip foo\n   ^\n"},
  };
  for (const Case& one : kCases) {
    const Error error{.code = one.code, .message = "why", .detail = one.detail, .sys_errno = 0};
    EXPECT_EQ(format_error("xdpcap", error, one.verbose), one.expected);
  }
}

TEST(Report, ControlCharactersDoNotReachTheTerminal) {
  struct Case {
    std::string text;
    const char* on_one_line;
    const char* on_several;
  };
  const Case cases[] = {
      {"", "", ""},
      {"hook /sys/fs/bpf/h\xc3\xb6\xc3\xbek", "hook /sys/fs/bpf/h\xc3\xb6\xc3\xbek",
       "hook /sys/fs/bpf/h\xc3\xb6\xc3\xbek"},
      {"a\x1b[31mb\x07\x7f", "a?[31mb??", "a?[31mb??"},
      {"1\n2\t3\r4", "1?2?3?4", "1\n2\t3?4"},
      {"\xc2\x9b"
       "31m\xc2\xa0",
       "?31m\xc2\xa0", "?31m\xc2\xa0"},
      // Bytes that are not UTF-8: the 8-bit CSI of terminals with another character set, too.
      {"\xc2", "?", "?"},
      {"\x9b"
       "31m",
       "?31m", "?31m"},
      {"\xe2\x80", "??", "??"},
      // The line from right to left, and how that ends; a separator of lines.
      {"a\xe2\x80\xae"
       "b\xe2\x80\xac"
       "c",
       "a?b?c", "a?b?c"},
      {"1\xe2\x80\xa8"
       "2",
       "1?2", "1?2"},
      {std::string("\0", 1), "?", "?"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(printable(one.text), one.on_one_line);
    EXPECT_EQ(printable(one.text, true), one.on_several);
  }
  const Error error{
      .code = Errc::Syntax, .message = "w\x1b\nhy", .detail = "\x1b[2J\n ^", .sys_errno = 0};
  EXPECT_EQ(format_error("xdpcap", error, false), "xdpcap: w??hy\n?[2J\n ^\n");
}

TEST(Report, StandardOutputThatTakesNothingIsAnError) {
  const test::ReplacedDescriptor full(STDOUT_FILENO, ::open("/dev/full", O_WRONLY | O_CLOEXEC));
  const cbpfc::Result<void> printed = print_to_stdout("text");
  ASSERT_FALSE(printed);
  EXPECT_EQ(printed.error().sys_errno, ENOSPC);
  EXPECT_EQ(printed.error().message, "write to standard output: No space left on device");
}

TEST(Report, StuckStandardErrorIsNotWaitedForLong) {
  const test::StuckPipe pipe;
  const test::ReplacedDescriptor stuck(STDERR_FILENO, pipe.writer());
  const auto start = std::chrono::steady_clock::now();
  print_to_stderr("dropped at once\n", std::chrono::milliseconds(0));
  EXPECT_LT(std::chrono::steady_clock::now() - start, kStderrPatience);
  print_to_stderr("dropped\n");
  EXPECT_GE(std::chrono::steady_clock::now() - start, kStderrPatience);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5 * kStderrPatience);
  pipe.make_room();
  print_to_stderr("kept\n", std::chrono::milliseconds(0));
  EXPECT_TRUE(pipe.rest().ends_with("xkept\n"));
}

}  // namespace
}  // namespace xdpcap::cli
