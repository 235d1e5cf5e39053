// SPDX-License-Identifier: BSD-3-Clause
//
// What -compat makes as the original xdpcap does, for scripts that depend on it.  docs/migrate.md says which scripts, and why it is
// not so otherwise.
//
// Source: github.com/cloudflare/xdpcap cmd/xdpcap/main.go, xdpaction.go.
// Tested by: xdpcap/tests/command/original_test.cc, xdpcap/tests/cli/compat.bats.

#pragma once

#include <string>
#include <vector>

#include "xdpcap/capture/accounting.h"

namespace xdpcap::cli {

/// "aborted", "drop", "pass", "tx", "redirect", "xdpAction(5)".
std::string original_name(Action action);

/// "aborted: 0/0\tdrop: 2/2\t(received/matched packets)", without an end.
std::string original_status(const ActionTotals& totals, const std::vector<Action>& actions);

/// 1 for wrong usage, 2 for what failed at run time.
int original_exit_code(int exit_code);

}  // namespace xdpcap::cli
