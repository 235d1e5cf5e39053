// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace xdpcap::test {

/// Ends the test program: what was attempted is no more its subject than memory for it, and failed with errno.
[[noreturn]] inline void die(const std::string& attempt) {
  std::perror(attempt.c_str());
  std::exit(1);
}

}  // namespace xdpcap::test
