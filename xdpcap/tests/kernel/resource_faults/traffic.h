// SPDX-License-Identifier: BSD-3-Clause
//
// Packets of every action, one round after another, each of which has to end where its action says, unchanged.
//
//     Traffic traffic(rig);          // a thread sends aborted, drop, tx, redirect, pass; waits for three of them; again
//     ... whatever goes wrong ...
//     traffic.stop();                // expects that no round ever missed a packet or had one too many
//
// A round begins when all of the one before has arrived, so the sockets never overflow: a packet that is missing is one
// whose verdict was changed.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {

class Traffic {
 public:
  static constexpr std::uint64_t kPacketsOfARound = 5;

  explicit Traffic(const Rig& rig);
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;
  ~Traffic();

  /// Packets so far, of whole rounds.
  std::uint64_t packets() const { return rounds_ * kPacketsOfARound; }
  /// Waits until so many more rounds are through; expects that this takes less than five seconds.
  void await_rounds(std::uint64_t rounds) const;
  /// Ends it, and expects that every packet met its verdict.  All packets sent.
  std::uint64_t stop();

 private:
  void run();
  std::string send_round(std::uint32_t number) const;

  PacketSocket sender_;
  PacketSocket delivered_;
  PacketSocket redirected_;
  std::atomic<bool> is_over_ = false;
  std::atomic<std::uint64_t> rounds_ = 0;
  std::string trouble_;  // of the first bad round; the thread's until it has ended
  std::thread thread_;
};

}  // namespace xdpcap::test
