// SPDX-License-Identifier: BSD-3-Clause
//
// What capture programs count (abi::Counters), read from the map they count in.

#pragma once

#include <array>
#include <vector>

#include "attach/abi.h"
#include "attach/action.h"

namespace xdpcap {

/// The map's name: a per-CPU array of abi::Counters, key: action.
inline constexpr const char* kCountersMapName = "xdpcap_counters";

using ActionCounters = std::array<abi::Counters, kActions.size()>;  ///< by action number

/// Of every action, for each possible CPU.
/// Errors: Kernel.
Result<std::vector<ActionCounters>> read_counters_by_cpu(int counters_fd);

/// The same summed over CPUs.
Result<ActionCounters> read_counters(int counters_fd);

}  // namespace xdpcap
