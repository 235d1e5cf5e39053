// SPDX-License-Identifier: BSD-3-Clause
//
// -diagnose: where packets get lost on the way to a capture, step by step.
//
//     facts of the hook (hook_inventory.h), packets of all actions counted for three seconds -> checks (hook_diagnosis.h)

#pragma once

#include "xdpcap/command/xdpcap_options.h"

namespace xdpcap {

/// Prints the checks on standard output.  The exit code: 1 when one of them fails.
int diagnose_hook(const XdpcapOptions& options);

}  // namespace xdpcap
