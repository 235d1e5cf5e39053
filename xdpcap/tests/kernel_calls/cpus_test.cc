// SPDX-License-Identifier: BSD-3-Clause
//
// How many CPUs there are, from the lists that the kernel writes.

#include "xdpcap/kernel/cpus.h"

#include <gtest/gtest.h>

#include <vector>

namespace xdpcap {
namespace {

using Numbers = std::vector<std::uint32_t>;

TEST(Cpus, AreReadOneByOneAndInRanges) {
  EXPECT_EQ(parse_cpu_list("0").value(), Numbers{0});
  EXPECT_EQ(parse_cpu_list("0-3").value(), (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(parse_cpu_list("0-1,8-9").value(), (Numbers{0, 1, 8, 9}));
  EXPECT_EQ(parse_cpu_list("0,2,1023").value(), (Numbers{0, 2, 1023}));
}

TEST(Cpus, OtherTextIsRefused) {
  for (const char* list :
       {"", "-", "0-", "0-3,", "all", "0-3 ", "0x1", "4294967295", "1048576",
        "99999999999999999999", "0-1048576", "3-0", "0-3,2", "1,1", "0--3", ",1", "0\n"}) {
    const auto cpus = parse_cpu_list(list);
    ASSERT_FALSE(cpus) << list;
    EXPECT_EQ(cpus.error().code, Errc::Kernel);
  }
}

TEST(Cpus, ThatArePresentArePossible) {
  EXPECT_GE(present_cpus().value(), 1U);
  EXPECT_LE(present_cpus().value(), possible_cpus().value());
}

}  // namespace
}  // namespace xdpcap
