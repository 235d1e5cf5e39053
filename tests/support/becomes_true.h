// SPDX-License-Identifier: BSD-3-Clause
//
// Waiting for what another process or thread is about to do.

#pragma once

#include <chrono>
#include <thread>

namespace xdpcap::test {

/// The sleep between two questions.
inline void pause_briefly() {
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

/// Whether `is_true()` becomes true within `most`; asks every few milliseconds.
template <typename Condition>
bool becomes_true(Condition is_true,
                  std::chrono::milliseconds most = std::chrono::milliseconds(5'000)) {
  const auto deadline = std::chrono::steady_clock::now() + most;
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    pause_briefly();
  }
  return true;
}

}  // namespace xdpcap::test
