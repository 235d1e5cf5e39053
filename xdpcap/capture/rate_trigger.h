// SPDX-License-Identifier: BSD-3-Clause
//
// Notices when an action's rate passes a limit.
//
// The rate is what the hook received within a window of one second, from counters that are looked at every 100 ms:
//
//     limit 100        looked at     0.0   0.1   0.2  ...  1.0   1.1   1.2   1.3
//                      counter         0    90   110       110   120   130   290
//                      of 1 s ago      -     -     -         0    90   110   110
//                      rate            -    90   110       110    30    20   180
//                                                fires                       fires
//                                                            armed again at 1.1
//
// The first look fires nothing, it is what others are compared with.  Until a second has passed, what came before
// the first look counts as nothing.  A look that is late makes the window longer, and the rate is that of the longer
// window.  A trigger fires once, and again only after the rate has been below the limit.
//
// Cost: some 11 looks are remembered.
// Tested by: xdpcap/tests/capture/rate_trigger_test.cc.

#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "xdpcap/kernel/action.h"

namespace xdpcap {

/// More packets of `action` than this a second.
struct RateLimit {
  Action action = Action::Aborted;
  std::uint64_t packets_per_second = 0;
  bool operator==(const RateLimit&) const = default;
};

class RateTrigger {
 public:
  /// How often to look.
  static constexpr std::uint64_t kIntervalNs = 100'000'000;

  explicit RateTrigger(const RateLimit& limit) : limit_(limit) {}

  const RateLimit& limit() const { return limit_; }

  /// Looks at the counter; the rate, if it has just passed the limit.
  /// Units: packets a second.  Neither time nor counter goes back; a counter that does counts as standing still.
  std::optional<std::uint64_t> look(std::uint64_t now_ns, std::uint64_t received_packets);

 private:
  struct Look {
    std::uint64_t at_ns;
    std::uint64_t packets;
  };

  RateLimit limit_;
  std::deque<Look> looks_;  // the first one is the youngest that is a window old, if there is any
  bool is_armed_ = true;
};

}  // namespace xdpcap
