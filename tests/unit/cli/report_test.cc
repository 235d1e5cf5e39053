// SPDX-License-Identifier: BSD-3-Clause

#include "cli/report.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace xdpcap::cli
