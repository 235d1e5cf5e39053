// SPDX-License-Identifier: BSD-3-Clause
//
// errno to Error, at the system call that failed.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kernel/capabilities.h"
#include "kernel/result.h"

namespace xdpcap {

/// The failure of a bpf(2) call.
///
/// EPERM and EACCES name the capabilities of `needed` that this process lacks.  RLIMIT_MEMLOCK is
/// never suspected: the only kernels that count BPF memory there, before 5.11, are too old for
/// capture programs anyway.
std::unexpected<Error> kernel_failure(const std::string& attempt, int error_number,
                                      std::span<const Capability> needed);

/// The reason alone, as kernel_failure() words it: "Operation not permitted: this needs CAP_BPF".
std::string describe_errno(int error_number, std::span<const Capability> needed);

/// "Invalid argument".
std::string errno_text(int error_number);

/// "1 slot", "5 slots": a number in a message, and what it counts.
std::string counted(std::uint64_t number, std::string_view noun);

}  // namespace xdpcap
