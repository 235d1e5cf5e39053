// SPDX-License-Identifier: BSD-3-Clause
//
// The map that capture programs count in (abi::Counters), and what they counted.

#pragma once

#include <array>
#include <vector>

#include "attach/abi.h"
#include "attach/action.h"
#include "kernel/result.h"
#include "kernel/unique_fd.h"

namespace xdpcap {

/// The map's name: a per-CPU array of abi::Counters, key: action.
inline constexpr const char* kCountersMapName = "xdpcap_counters";

using ActionCounters = std::array<abi::Counters, kActions.size()>;  ///< by action number

/// Creates that map, with the generators of -sample seeded, one for each possible CPU and action.
/// Errors: Permission, Kernel.
Result<UniqueFd> create_counters();

/// Of every action, for each possible CPU.
/// Errors: Kernel.
Result<std::vector<ActionCounters>> read_counters_by_cpu(int counters_fd);

/// The same summed over CPUs.
Result<ActionCounters> read_counters(int counters_fd);

}  // namespace xdpcap
