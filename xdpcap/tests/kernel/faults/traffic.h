// SPDX-License-Identifier: BSD-3-Clause
//
// Traffic of all verdicts, every frame of which is accounted for.
//
//     Traffic traffic(rig);
//     ...                                       // whatever is done to captures
//     const Tally tally = traffic.stop();
//     EXPECT_EQ(tally.wrong, 0U);               // every frame got the verdict it asked for
//     EXPECT_EQ(totals.received, tally.sent());
//
// Frames go in batches of one action.  After each the driver's counters (verdict_counts.h) must have grown by just that
// batch; the next one waits for that, so none is lost on the way and none hides another.

#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "xdpcap/tests/kernel/end_to_end/rig.h"
#include "xdpcap/tests/kernel/faults/verdict_counts.h"

namespace xdpcap::test {

inline constexpr std::uint32_t kTrafficActions = 5;

/// Units: frames.
struct Tally {
  std::array<std::uint64_t, kTrafficActions> by_action{};
  std::uint64_t wrong = 0;  ///< did not get the verdict they asked for, or did not arrive
  std::uint64_t sent() const;
};

struct TrafficOptions {
  std::uint32_t batch_frames = 128;      ///< no more than an interface's queue holds
  std::chrono::microseconds pause{300};  ///< between batches
};

class Traffic {
 public:
  /// Sends until stopped.
  /// Ownership: borrows `rig`, which must outlive it.
  explicit Traffic(const Rig& rig, const TrafficOptions& options = {});
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;
  ~Traffic();

  /// What has been sent so far.
  Tally tally() const;
  /// Sends frames of this size from now on; all of the old size have arrived when it returns.
  void use_size(std::uint32_t frame_bytes);
  /// Waits until so many more have been sent.
  void await_more(std::uint64_t frames) const;
  /// Ends it; all frames have arrived.
  Tally stop();

 private:
  /// Sends a batch of one frame.
  using Send = std::function<void(const Bytes&)>;
  Send sender() const;
  void run();
  void send_batch(const Send& send, const VerdictCounter& counter, std::uint32_t action);

  const Rig& rig_;
  TrafficOptions options_;
  mutable std::mutex turn_;  // a batch, from its first frame to its being counted
  Tally tally_;
  std::uint32_t frame_bytes_ = 60;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

}  // namespace xdpcap::test
