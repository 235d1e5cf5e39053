// SPDX-License-Identifier: BSD-3-Clause
//
// The map that capture programs count in (abi::Counters), and what they counted.

#pragma once

#include <array>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "xdpcap/kernel/action.h"
#include "xdpcap/program/abi.h"

namespace xdpcap {

/// The map's name: a per-CPU array of abi::Counters, key: action; as many as the hook has actions.
inline constexpr const char* kCountersMapName = "xdpcap_counters";

using ActionCounters = ByAction<abi::Counters>;

/// Creates that map for the first `actions`, with the generators of -sample seeded, one for each possible CPU and action.
/// Errors: Permission, Kernel.
Result<UniqueFd> create_counters(std::size_t actions = kActions.size());

/// Of every action the map has, for each possible CPU; 0 for others.
/// Errors: Kernel.
Result<std::vector<ActionCounters>> read_counters_by_cpu(int counters_fd);

/// The same summed over CPUs.
Result<ActionCounters> read_counters(int counters_fd);

}  // namespace xdpcap
