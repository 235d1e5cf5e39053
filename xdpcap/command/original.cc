// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/original.h"

#include <fmt/core.h>

#include <iterator>

#include "base/report.h"

namespace xdpcap::cli {

std::string original_name(Action action) {
  return index(action) < kActions.size() ? short_name(action)
                                         : fmt::format("xdpAction({})", index(action));
}

std::string original_status(const ActionTotals& totals, const std::vector<Action>& actions) {
  std::string line;
  for (const Action action : actions) {
    const PacketTotals& counted = totals[index(action)];
    fmt::format_to(std::back_inserter(line), "{}: {}/{}\t", original_name(action), counted.received,
                   counted.matched);
  }
  return line + "(received/matched packets)";
}

int original_exit_code(int exit_code) {
  switch (exit_code) {
    case kExitUsage: return 1;
    case kExitFailure: return 2;
    default: return exit_code;
  }
}

}  // namespace xdpcap::cli
