// SPDX-License-Identifier: BSD-3-Clause
//
// Times filters and lists in the kernel, in rounds.
//
// In a round every filter is timed once, in random order, and all programs of a filter right after
// each other, in random order too: the machine's slow phases, which last longer than a filter's
// turn, then hit all contenders alike.  What a filter costs in a round is
//
//     (time with N copies - time with one) / (N - 1)         or, for lists,
//     (time of the loop with the filter - without) / loops
//
// and the result is the median over the rounds.
//
// Where in memory the kernel puts a program changes its time by some percent.  So programs are loaded anew
// every few rounds, which puts them elsewhere.  Every program's answer is checked first.

#pragma once

#include <cbpfc/result.h>

#include <functional>
#include <span>

#include "bench/compiler/subjects.h"
#include "bench/support/kernel_timer.h"

namespace bench {

/// Rounds for which programs stay loaded.
inline constexpr int kRoundsALoad = 8;

/// Called before each round with its number, from 1.
using Progress = std::function<void(int)>;

/// Fills filter_ns of the subjects' rows; a program the verifier refuses, or that answers wrongly, becomes
/// its contender's failure.
/// Errors: those of KernelTimer.
cbpfc::Result<void> time_filters(KernelTimer& timer, std::span<FilterSubject> subjects, int rounds,
                                 const Progress& progress);
cbpfc::Result<void> time_lists(KernelTimer& timer, std::span<ListSubject> subjects, int rounds,
                               const Progress& progress);

}  // namespace bench
