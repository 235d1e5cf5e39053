// SPDX-License-Identifier: BSD-3-Clause
//
// How long it takes until a large filter runs: an expression of a thousand terms, from what libpcap makes of
// it in parts without its optimiser, and a set of a thousand rules such as packet-drop pipelines run.  libpcap's
// front end, cbpfc, and the kernel's verifier and JIT, each by the processor time it took.

#pragma once

#include <span>
#include <vector>

#include "bench/compiler/subjects.h"

namespace bench {

/// Of every list of 1,000 terms and more.  The front end took what it took when the subject was made; the
/// rest is the best of a few tries.  Loads, which needs root, if `with_kernel`.
std::vector<BuildTime> measure_build_times(std::span<const ListSubject> lists, bool with_kernel);

/// Of compile_ebpf_set() on a thousand drop_rules().
BuildTime measure_set_build_time(bool with_kernel);
inline constexpr const char* kSetName = "set of 1000 rules";

}  // namespace bench
