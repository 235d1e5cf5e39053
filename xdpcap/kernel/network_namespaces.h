// SPDX-License-Identifier: BSD-3-Clause
//
// Interfaces with XDP programs in other network namespaces than this process's.
//
// The kernel has no list of network namespaces.  Those that can be found are the ones that a process is in (/proc/PID/ns/net)
// and the ones that are mounted, as `ip netns add` and container runtimes do.  To ask one for its interfaces takes a socket that
// was made in it, so this process enters each for as long as that takes, and returns.
//
// Costs: some 20 µs a process and 100 µs a namespace.
//
// Source: namespaces(7), setns(2); Linux v6.18 fs/nsfs.c.
// Tested by: xdpcap/tests/kernel/hook/hook_inventory_test.cc.

#pragma once

#include <vector>

#include "xdpcap/kernel/interfaces.h"

namespace xdpcap {

/// The interfaces that run XDP programs in other network namespaces.  Those that may not be entered (CAP_SYS_ADMIN), or that go
/// meanwhile, are left out.  Call it while this process has one thread.
/// Errors: Errc::Kernel when this process cannot return to its own namespace.
Result<std::vector<Interface>> xdp_interfaces_elsewhere();

}  // namespace xdpcap
