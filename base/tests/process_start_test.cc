// SPDX-License-Identifier: BSD-3-Clause

#include "base/process_start.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace xdpcap::cli {
namespace {

TEST(ProcessStart, CommandLinesAreWordsWithSpaces) {
  const std::string own = command_line(::getpid());
  EXPECT_NE(own.find("base_test"), std::string::npos) << own;
  EXPECT_EQ(own.find('\0'), std::string::npos);
  EXPECT_NE(own.back(), ' ');
  EXPECT_EQ(command_line(-1), "");
}

}  // namespace
}  // namespace xdpcap::cli
