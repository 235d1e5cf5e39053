// SPDX-License-Identifier: BSD-3-Clause
//
// How long it takes until a filter of a thousand terms runs: libpcap's front end without its optimiser,
// cbpfc, and the kernel's verifier and JIT.

#pragma once

#include <vector>

#include "results.h"

namespace bench {

/// Takes the best of a few tries.  Loads, which needs root, if `with_kernel`.
std::vector<BuildTime> measure_build_times(bool with_kernel);

}  // namespace bench
