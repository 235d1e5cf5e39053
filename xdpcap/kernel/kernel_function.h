// SPDX-License-Identifier: BSD-3-Clause
//
// Functions of the kernel that BPF programs may call (kfuncs).
//
// Source: Linux v6.18 Documentation/bpf/kfuncs.rst; kernel/bpf/btf.c sysfs_btf (/sys/kernel/btf/vmlinux).

#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace xdpcap {

/// The number that calls a function of the kernel itself, not of a module.
/// Errors: Unsupported when the kernel has no such function, or no type information at all.
Result<std::int32_t> find_kernel_function(const std::string& name);

}  // namespace xdpcap
