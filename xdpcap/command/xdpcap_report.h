// SPDX-License-Identifier: BSD-3-Clause
//
// What xdpcap says on standard error before and after a capture, and the exit code that goes with it.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/report.h"
#include "xdpcap/capture/accounting.h"
#include "xdpcap/capture/capture_loop.h"
#include "xdpcap/command/xdpcap_options.h"
#include "xdpcap/sharing/hook_capture.h"

namespace xdpcap {

/// A line.
void say(std::string_view text);

/// An error; `exit_code` again.
int report(const Error& error, bool verbose, int exit_code = cli::kExitFailure);

/// What -v says: what was chosen, and what memory it takes.
void describe(const HookCapture& capture, const cbpfc::Filter& filter,
              const XdpcapOptions& options);

/// Whether captures behind this one saw every packet; says so if not.
bool all_were_handed_on(const CaptureSummary& summary);

/// The end of a capture in words and as exit code.  What was lost is said, whatever is quiet, and no failure.
int conclude(const CaptureSummary& summary, const XdpcapOptions& options);

}  // namespace xdpcap

// What -compat makes as the original xdpcap does, for scripts that depend on it.  docs/migrate.md says which scripts, and why it is
// not so otherwise.
//
// Source: github.com/cloudflare/xdpcap cmd/xdpcap/main.go, xdpaction.go.
// Tested by: xdpcap/tests/command/original_test.cc, xdpcap/tests/cli/compat.bats.

namespace xdpcap::cli {

/// "aborted", "drop", "pass", "tx", "redirect", "xdpAction(5)".
std::string original_name(Action action);

/// "aborted: 0/0\tdrop: 2/2\t(received/matched packets)", without an end.
std::string original_status(const ActionTotals& totals, const std::vector<Action>& actions);

/// 1 for wrong usage, 2 for what failed at run time.
int original_exit_code(int exit_code);

}  // namespace xdpcap::cli
