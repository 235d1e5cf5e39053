// SPDX-License-Identifier: BSD-3-Clause
//
// A program that was given more than who started it has: set-user-ID, set-group-ID, or capabilities of its file.
//
// Whoever starts it chooses its arguments: which file it reads a filter from and shows when it is none, which one it writes to.  So
// it becomes who started it, for good, before it looks at them, and keeps only capabilities that open no files:
//
//     -rwsr-x--- root wheel xdpcap      started by alice: runs as alice, with CAP_BPF, ...; writes what alice may write
//
// Its children are started with the same capabilities (the ambient set), and none gains any (no_new_privs).
//
// Source: Linux v6.18 security/commoncap.c cap_bprm_creds_from_file(), what sets AT_SECURE; capabilities(7).
// Tested by: tests/kernel/resource_faults/secure_start_test.cc.

#pragma once

#include <span>

#include "kernel/capabilities.h"
#include "kernel/result.h"

namespace xdpcap {

/// Whether this program was given more than who started it has.
bool is_secure_start();

/// Leaves the real user and group, and `kept`, of those capabilities that it was given.  Must come before threads are made.
/// Errors: Errc::Kernel; the process then has less than it had and more than it should, and has to end.
Result<void> take_rights_of_caller(std::span<const Capability> kept);

}  // namespace xdpcap
