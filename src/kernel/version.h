// SPDX-License-Identifier: BSD-3-Clause
//
// What can only be told by the kernel's version.

#pragma once

namespace xdpcap {

/// Whether who has a map's descriptor may read and change it without CAP_BPF, where unprivileged BPF is switched off.
/// Source: Linux v5.19 kernel/bpf/syscall.c __sys_bpf(), commit c8644cd0efe7.
bool maps_are_for_everybody();

}  // namespace xdpcap
