// SPDX-License-Identifier: BSD-3-Clause
//
// What a command does before anything else, and how it was started.

#pragma once

#include <sys/types.h>

#include <string>

namespace xdpcap::cli {

/// Puts a descriptor that cannot be written in the place of each standard one that is closed, before anything is opened.
///
/// A process started with standard output closed (`xdpcap hook - >&-`) would get its first own descriptor as number 1, and write
/// packets there.
void occupy_standard_descriptors();

/// From here on, in all threads, xdpcap says where `new` finds no memory, and ends with code 1.
///
/// It could not go on: there is no telling what was half done.  It ends as a killed process does, without destructors, so in the
/// middle of a capture its guardian takes it out of the hook, and the file ends between two blocks.  Large memory, of rings
/// and recorders, is not from `new`; who asks for it is told what there is not enough of.
///
/// Tested by: xdpcap/tests/kernel/resource_faults/process_limits_test.cc.
void end_without_memory();

/// Keeps 64 KiB, which `new` gets back when it first finds nothing, or give_back_kept_memory() before.  A guardian needs it: on exit it
/// removes its capture from the hook, also where both have no memory left.
void keep_memory_for_the_end();

/// For what takes memory without `new`.  Thread-safe.  Whether there was any.
bool give_back_kept_memory();

/// The words a process was started with, separated by spaces; empty if that cannot be read.
/// Tested by: base/tests/process_start_test.cc.
std::string command_line(pid_t pid);

}  // namespace xdpcap::cli
