// SPDX-License-Identifier: BSD-3-Clause
//
// Keeps a thread on one CPU, for what the kernel counts or queues by CPU.

#pragma once

#include <gtest/gtest.h>
#include <sched.h>

namespace xdpcap::test {

/// The calling thread runs on `cpu` only, until this ends; without a number, where it runs now.
class OnOneCpu {
 public:
  explicit OnOneCpu(int cpu = ::sched_getcpu()) : cpu_(cpu) {
    EXPECT_EQ(::sched_getaffinity(0, sizeof(before_), &before_), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(cpu), &one);
    EXPECT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0) << "on CPU " << cpu;
  }
  ~OnOneCpu() { ::sched_setaffinity(0, sizeof(before_), &before_); }
  OnOneCpu(const OnOneCpu&) = delete;
  OnOneCpu& operator=(const OnOneCpu&) = delete;

  int cpu() const { return cpu_; }

 private:
  int cpu_;
  cpu_set_t before_{};
};

}  // namespace xdpcap::test
