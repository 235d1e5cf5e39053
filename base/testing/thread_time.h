// SPDX-License-Identifier: BSD-3-Clause
//
// Time that a thread has worked, which other tests on the machine do not add to.

#pragma once

#include <ctime>

namespace test {

inline double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace test
