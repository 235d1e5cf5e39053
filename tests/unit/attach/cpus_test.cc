// SPDX-License-Identifier: BSD-3-Clause
//
// How many CPUs there are, from the lists that the kernel writes.

#include "kernel/cpus.h"

#include <gtest/gtest.h>

namespace xdpcap {
namespace {

TEST(Cpus, AreCountedUpToTheLast) {
  EXPECT_EQ(end_of_cpu_list("0").value(), 1U);
  EXPECT_EQ(end_of_cpu_list("0-3").value(), 4U);
  EXPECT_EQ(end_of_cpu_list("0-3,8-11").value(), 12U);
  EXPECT_EQ(end_of_cpu_list("0,2,1023").value(), 1024U);
}

TEST(Cpus, OtherTextIsRefused) {
  for (const char* list : {"", "-", "0-", "0-3,", "all", "0-3 ", "0x1", "4294967295", "1048576",
                           "99999999999999999999"}) {
    const auto cpus = end_of_cpu_list(list);
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
