// SPDX-License-Identifier: BSD-3-Clause
//
// What xdpcap does where `new` finds no memory: says so, and ends with code 1.
//
// It could not go on: there is no telling what was half done.  It ends as a killed process does, without destructors, so in the
// middle of a capture its guardian takes it out of the hook, and the file ends between two blocks.  Large memory, of rings
// and recorders, is not from `new`; who asks for it is told what there is not enough of.
//
// Tested by: xdpcap/tests/kernel/resource_faults/process_limits_test.cc.

#pragma once

namespace xdpcap::cli {

/// From here on, in all threads.
void end_without_memory();

}  // namespace xdpcap::cli
