// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/dump_requests.h"

#include <fmt/core.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "xdpcap/capture/capture_loop.h"

namespace xdpcap {

DumpRequests::DumpRequests(const RecorderOptions* options, CaptureSource& source,
                           RecorderOutput* recorder)
    : options_(options), source_(&source), recorder_(recorder) {
  if (recorder_ != nullptr) {
    for (const RateLimit& limit : options_->triggers) {
      triggers_.emplace_back(limit);
    }
  }
}

void DumpRequests::take_signal() {
  signalfd_siginfo info{};
  bool has_any = false;
  while (::read(fd(), &info, sizeof(info)) == sizeof(info)) {
    has_any = true;
  }
  if (has_any) {
    recorder_->ask({.what = "SIGUSR1", .phrase = "on SIGUSR1"});
  }
}

Result<void> DumpRequests::look(std::uint64_t now_ns) {
  if (triggers_.empty() || now_ns < next_look_ns_) {
    return {};
  }
  next_look_ns_ = now_ns + RateTrigger::kIntervalNs;
  const ActionTotals totals =
      count_totals(TRY(source_->counters_by_cpu()), first_actions(kMostActions));
  for (RateTrigger& trigger : triggers_) {
    const RateLimit& limit = trigger.limit();
    if (const auto rate = trigger.look(now_ns, totals[index(limit.action)].received)) {
      const std::string what = fmt::format("{} passed {} packets a second ({})", name(limit.action),
                                           limit.packets_per_second, *rate);
      recorder_->ask({.what = what, .phrase = "because " + what});
    }
  }
  return {};
}

std::uint64_t DumpRequests::until_look_ns(std::uint64_t now_ns, std::uint64_t wait_ns) const {
  if (triggers_.empty()) {
    return wait_ns;
  }
  return std::min(wait_ns, next_look_ns_ - std::min(next_look_ns_, now_ns));
}

}  // namespace xdpcap
