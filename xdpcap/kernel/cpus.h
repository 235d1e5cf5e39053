// SPDX-License-Identifier: BSD-3-Clause
//
// How many CPUs there are, for what has a part for each CPU.
//
//     possible    numbers the kernel keeps free, also for CPUs that would have to be plugged in: 128 in many virtual machines of 4
//     present     CPUs the machine has; they may be offline, and come online at any time
//
// Source: Linux v6.18 Documentation/admin-guide/cputopology.rst.
// Tested by: xdpcap/tests/kernel_calls/cpus_test.cc.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace xdpcap {

/// The numbers of all possible CPUs are below this: as many values has an element of a per-CPU map.
/// Errors: Errc::Kernel.
Result<std::uint32_t> possible_cpus();

/// The numbers of all CPUs that are present are below this.  Numbers below it that are not present are of CPUs that have been
/// taken out, and may come back.
/// Errors: Errc::Kernel.
Result<std::uint32_t> present_cpus();

/// The numbers in a list of CPUs as the kernel writes it, "0-3,8", in ascending order; never empty.
/// Errors: Errc::Kernel, for other text.
Result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view list);

}  // namespace xdpcap
