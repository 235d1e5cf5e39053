// SPDX-License-Identifier: BSD-3-Clause
//
// What can only be told by the kernel's version.

#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace xdpcap {

/// Whether who has a map's descriptor may read and change it without CAP_BPF, where unprivileged BPF is switched off.
/// Source: Linux v5.19 kernel/bpf/syscall.c __sys_bpf(), commit c8644cd0efe7.
bool maps_are_for_everybody();

/// Whether no task runs on a CPU while an XDP program has begun there and not ended.
///
/// Drivers, the generic path and BPF_PROG_TEST_RUN run them with softirqs disabled, and so without being preempted;
/// BPF_PROG_TEST_RUN since 6.11 at the latest.  With PREEMPT_RT such code can be preempted.
/// Source: Linux v6.11 net/bpf/test_run.c bpf_test_run(); Documentation/locking/locktypes.rst.
bool xdp_programs_keep_their_cpu();

// Functions of the kernel that BPF programs may call (kfuncs).
//
// Source: Linux v6.18 Documentation/bpf/kfuncs.rst; kernel/bpf/btf.c sysfs_btf (/sys/kernel/btf/vmlinux).

/// The number that calls a function of the kernel itself, not of a module.
/// Errors: Unsupported when the kernel has no such function, or no type information at all.
Result<std::int32_t> find_kernel_function(const std::string& name);

}  // namespace xdpcap
