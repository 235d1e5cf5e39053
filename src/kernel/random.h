// SPDX-License-Identifier: BSD-3-Clause
//
// Random bytes of the kernel, for seeds and for names that no other process chooses.

#pragma once

#include <cstddef>
#include <span>

#include "kernel/result.h"

namespace xdpcap {

/// Fills `bytes`.  Right after the machine's start it waits until the kernel has gathered randomness, about a second.
/// Errors: Kernel.
Result<void> fill_random(std::span<std::byte> bytes);

}  // namespace xdpcap
