// SPDX-License-Identifier: BSD-3-Clause
//
// Which way of each branch the verifier takes first, where it would keep too many for later.
//
// At a branch it goes on with the instruction behind and keeps the jump's target for later; of those it keeps no
// more than 8,192.  In a long list of tests that matters:
//
//     if a != 1 goto next_1       it keeps next_1 ...
//     goto match
//     next_1:                     ... and comes to it when it has seen the match: never more than one
//
//     if a == 1 goto match        here it keeps one for each test, and gives up after 8,192
//     if a == 2 goto match
//
// So where a program could come to that, a branch jumps to where there is more to keep:
//
//     if a == 1 goto match        =>       if a != 1 goto next
//     ...                                  goto match
//                                    next: ...
//
// A test that leads to the rest of the list by several ways, such as the four words of an IPv6 address, then takes
// one place, not four; nothing can be done about the one.  It costs an instruction more on one of the ways, and is
// done from the program's start on only as far as is needed: most programs have no need.
//
// Counted are the places of a walk that looks at every way to its end.  The verifier stops where it comes to what it
// has seen, and so needs no more than that.
//
// Does not: turn what has no inverse ("any bit set"); shorten what leads to the rest by both ways.
// Cost: one sweep up, a few more in programs that need it.
// Source: Linux v6.18 kernel/bpf/verifier.c push_stack(), BPF_COMPLEXITY_LIMIT_JMP_SEQ.
// Tested by: ebpf_test.cc, differential/limits_test.cc, differential/lists_test.cc.

#pragma once

#include "ebpf_islands.h"

namespace cbpfc::ebpf {

/// The most ways that the verifier keeps for later at a time.
std::size_t most_pending(const Unplaced& program);

/// Turns branches so that it keeps no more than it may, as far as that can be had.
void limit_pending(Unplaced& program);

}  // namespace cbpfc::ebpf
