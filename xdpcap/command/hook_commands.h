// SPDX-License-Identifier: BSD-3-Clause
//
// What xdpcap does with hooks besides capturing: -list, -status, -detach.  Each returns the exit code, or an error to be reported.
//
// Tested by: xdpcap/tests/kernel/end_to_end/commands_test.cc, xdpcap/tests/cli/requests.bats.

#pragma once

#include "xdpcap/command/xdpcap_options.h"

namespace xdpcap {

/// All hooks of the machine.
Result<int> list_hooks(const XdpcapOptions& options);

/// One hook, and the captures of this user on it.  Without CAP_SYS_ADMIN what can be known without.
Result<int> show_hook(const XdpcapOptions& options);

/// Ends captures of this user, and takes all programs of captures out of the slots; fails if it cannot tell what is in one.  Other
/// programs are named, and with -force removed: the kernel does not say whose they are.
Result<int> detach_captures(const XdpcapOptions& options);

// -diagnose: where packets get lost on the way to a capture, step by step.
//
//     facts of the hook (hook_inventory.h), packets of all actions counted for three seconds -> checks (hook_diagnosis.h)

/// Prints the checks on standard output.  The exit code: 1 when one of them fails.
Result<int> diagnose_hook(const XdpcapOptions& options);

}  // namespace xdpcap
