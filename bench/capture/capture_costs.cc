// SPDX-License-Identifier: BSD-3-Clause

#include "bench/capture/capture_costs.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include "bench/capture/cost_cases.h"
#include "bench/support/hook_target.h"
#include "bench/support/kernel_timer.h"

namespace bench {
namespace {

using cbpfc::Result;

/// Runs of a sample; three of these fit a ring.
std::uint32_t repeat(const CostCase& one) {
  constexpr std::size_t kMostUsualBytes = 1500;
  return one.packet.size() <= kMostUsualBytes ? 4000 : 1000;
}

/// A target and what calls it.
class Bed {
 public:
  static Result<Bed> create(bool is_multi_buffer) {
    Bed bed(TRY(KernelTimer::create(is_multi_buffer)),
            TRY(HookTarget::create(xdpcap::Action::Pass, is_multi_buffer)));
    TRY(bed.timer_.select(bed.target_.program_fd()));
    return bed;
  }

  Result<double> time_ns(const CostCase& one) {
    TRY(target_.put(one.program.is_open() ? one.program.get() : -1));
    return timer_.time_ns(one.packet, repeat(one));
  }

 private:
  Bed(KernelTimer timer, HookTarget target)
      : timer_(std::move(timer)), target_(std::move(target)) {}

  KernelTimer timer_;
  HookTarget target_;
};

void subtract_baselines(std::vector<CaptureCost>& costs, const std::vector<CostCase>& cases) {
  std::size_t baseline = 0;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    baseline = cases[i].program.is_open() ? baseline : i;
    costs[i].above_ns.resize(costs[i].ns.size());
    std::ranges::transform(costs[i].ns, costs[baseline].ns, costs[i].above_ns.begin(),
                           std::minus{});
  }
}

}  // namespace

Result<std::vector<CaptureCost>> measure_capture_costs(int rounds) {
  std::array beds = {TRY(Bed::create(false)), TRY(Bed::create(true))};
  CostMaps maps = TRY(CostMaps::create());
  const std::vector<CostCase> cases = TRY(make_cost_cases(maps));
  std::vector<CaptureCost> costs;
  for (const CostCase& one : cases) {
    costs.push_back(
        {.what = one.what, .packet_bytes = static_cast<std::uint32_t>(one.packet.size())});
  }
  std::vector<std::size_t> order(cases.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937 random(1);
  for (int round = 0; round < rounds; ++round) {
    std::ranges::shuffle(order, random);
    for (const std::size_t i : order) {
      costs[i].ns.push_back(TRY(
          beds[cases[i].is_multi_buffer ? 1 : 0].time_ns(cases[i]).with_context(cases[i].what)));
      maps.drain();
    }
  }
  subtract_baselines(costs, cases);
  return costs;
}

}  // namespace bench
