// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/counters.h"

#include <cstring>
#include <span>

#include "base/random.h"
#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/map.h"

namespace xdpcap {

Result<UniqueFd> create_counters(std::size_t actions) {
  UniqueFd counters = TRY(create_per_cpu_array(kCountersMapName, sizeof(abi::Counters),
                                               static_cast<std::uint32_t>(actions)));
  std::vector<std::uint64_t> seeds(TRY(possible_cpus()));
  std::vector<abi::Counters> by_cpu(seeds.size());
  for (const Action action : first_actions(actions)) {
    TRY(fill_random(std::as_writable_bytes(std::span(seeds))));
    for (std::size_t cpu = 0; cpu < seeds.size(); ++cpu) {
      by_cpu[cpu].random = seeds[cpu];
    }
    TRY(put_value(counters.get(), static_cast<std::uint32_t>(index(action)),
                  std::as_bytes(std::span(by_cpu))));
  }
  return counters;
}

Result<std::vector<ActionCounters>> read_counters_by_cpu(int counters_fd) {
  constexpr std::size_t kNumbers = sizeof(abi::Counters) / sizeof(std::uint64_t);
  std::vector<ActionCounters> by_cpu;
  const MapInfo info = TRY(map_info(counters_fd).with_context("capture"));
  for (const Action action : first_actions(info.max_entries)) {
    const std::vector<std::uint64_t> numbers =
        TRY(read_per_cpu_numbers(counters_fd, static_cast<std::uint32_t>(index(action)), kNumbers)
                .with_context("capture"));
    by_cpu.resize(numbers.size() / kNumbers);
    for (std::size_t cpu = 0; cpu < by_cpu.size(); ++cpu) {
      abi::Counters one;
      std::memcpy(static_cast<void*>(&one), &numbers[cpu * kNumbers], sizeof(one));
      by_cpu[cpu][index(action)] = one;
    }
  }
  return by_cpu;
}

Result<ActionCounters> read_counters(int counters_fd) {
  ActionCounters sums{};
  for (const ActionCounters& cpu : TRY(read_counters_by_cpu(counters_fd))) {
    for (std::size_t i = 0; i < cpu.size(); ++i) {
      sums[i] += cpu[i];
    }
  }
  return sums;
}

}  // namespace xdpcap
