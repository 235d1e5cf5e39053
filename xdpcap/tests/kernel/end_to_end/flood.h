// SPDX-License-Identifier: BSD-3-Clause
//
// Frames at full speed, as many as are asked for or until told to stop.

#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {

struct Flooded {
  std::uint64_t arrived = 0;
  double seconds = 0;
  double million_a_second() const { return static_cast<double>(arrived) / seconds / 1e6; }
};

/// Sends frames of 64 bytes; returns when the target has seen all that arrive.
Flooded flood(const Rig& rig, std::uint32_t frames);

/// Keeps frames coming until the object goes.
class Flood {
 public:
  explicit Flood(const Rig& rig) : thread_([this, &rig] { run(rig); }) {}
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;
  ~Flood() {
    is_over_ = true;
    thread_.join();
  }

 private:
  void run(const Rig& rig);

  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

}  // namespace xdpcap::test
