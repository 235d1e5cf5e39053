// SPDX-License-Identifier: BSD-3-Clause
//
// errno to Error, at the system call that failed.

#pragma once

#include <span>
#include <string>

#include "base/errors.h"
#include "base/result.h"
#include "xdpcap/kernel/capabilities.h"

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

}  // namespace xdpcap
