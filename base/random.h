// SPDX-License-Identifier: BSD-3-Clause
//
// Random bytes of the kernel, for seeds and for names that no other process chooses.

#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"

namespace xdpcap {

/// Fills `bytes`.  Right after the machine's start it waits until the kernel has gathered randomness, about a second.
/// Errors: Kernel.
Result<void> fill_random(std::span<std::byte> bytes);

/// 16 hexadecimal digits, for the name of a file: a process id would be the same in two containers, and again after a
/// restart.
/// Errors: Kernel.
Result<std::string> random_digits();

}  // namespace xdpcap
