// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/accounting.h"

namespace xdpcap {

ActionTotals count_totals(std::span<const ActionCounters> by_cpu, std::span<const Action> actions) {
  ActionTotals totals{};
  for (const Action action : actions) {
    abi::Counters counted;
    for (const ActionCounters& cpu : by_cpu) {
      counted += cpu[index(action)];
    }
    totals[index(action)] = {.received = counted.received,
                             .matched = counted.matched,
                             .held_back = counted.held_back,
                             .lost = counted.lost,
                             .tail_call_failures = counted.tail_call_failures};
  }
  return totals;
}

}  // namespace xdpcap
