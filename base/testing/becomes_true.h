// SPDX-License-Identifier: BSD-3-Clause
//
// Waiting for what another process or thread is about to do.

#pragma once

#include <chrono>
#include <cstdlib>
#include <thread>

namespace xdpcap::test {

/// The sleep between two questions.
inline void pause_briefly() {
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

/// How many times as long as on a real machine things may take: XDPCAP_PATIENCE, which emulated machines set.
inline int patience() {
  const char* given = std::getenv("XDPCAP_PATIENCE");  // NOLINT(concurrency-mt-unsafe)
  return given != nullptr ? std::atoi(given) : 1;
}

/// Whether `is_true()` becomes true within `most`, times patience(); asks every few milliseconds.
template <typename Condition>
bool becomes_true(Condition is_true,
                  std::chrono::milliseconds most = std::chrono::milliseconds(5'000)) {
  const auto deadline = std::chrono::steady_clock::now() + most * patience();
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    pause_briefly();
  }
  return true;
}

}  // namespace xdpcap::test
