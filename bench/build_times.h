// SPDX-License-Identifier: BSD-3-Clause
//
// How long it takes until a filter of a thousand terms runs: libpcap's front end without its optimiser,
// cbpfc, and the kernel's verifier and JIT.

#pragma once

#include <span>
#include <vector>

#include "subjects.h"

namespace bench {

/// Of every list of 1,000 terms and more.  The front end took what it took when the subject was made; the
/// rest is the best of a few tries.  Loads, which needs root, if `with_kernel`.
std::vector<BuildTime> measure_build_times(std::span<const ListSubject> lists, bool with_kernel);

}  // namespace bench
