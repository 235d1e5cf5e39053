// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/hook/program_reach.h"

#include <set>

namespace xdpcap {

std::vector<std::uint32_t> programs_reached(std::uint32_t program_id, const ProgramCalls& calls) {
  std::vector<std::uint32_t> reached = {program_id};
  std::set<std::uint32_t> seen = {program_id};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    const auto called = calls.find(reached[i]);
    if (called == calls.end()) {
      continue;
    }
    for (const std::uint32_t id : called->second) {
      if (seen.insert(id).second) {
        reached.push_back(id);
      }
    }
  }
  return reached;
}

}  // namespace xdpcap
