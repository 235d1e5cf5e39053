// SPDX-License-Identifier: BSD-3-Clause
//
// The numbers of a running capture, once a second, and of one that has ended.
//
//     XDPAborted: 0/0 XDPDrop: 12/3 XDPPass: 254/0 (received/matched packets), 2 lost
//
// On a terminal each line takes the place of the one before, cut so that it never wraps; elsewhere
// it is a line of its own. Tested by: tests/unit/cli/status_test.cc.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "capture/accounting.h"

namespace xdpcap::cli {

/// One line without its end, for `actions` in their order; what is not as usual only if there is any.
std::string format_status(const ActionTotals& totals, const std::vector<Action>& actions);

/// "254 packets received, 10 matched, 10 written, 0 lost", and what was held back, overwritten or not written if
/// anything.
std::string format_totals(const PacketTotals& totals);

/// "254 packets received, 10 matched", for who only counts.
std::string format_counts(const PacketTotals& totals);

/// The bytes that put `line` in the place of the line before, at most `columns` - 1 wide.
std::string replace_line(std::string_view line, std::size_t columns);

/// Prints status lines on standard error; drops those it has no room for at once.
class StatusLine {
 public:
  StatusLine();
  void print(std::string_view line);
  /// Ends the line on a terminal, so that something else can be printed.
  void end();

 private:
  bool is_terminal_;
  bool is_open_ = false;  // the cursor stands behind a status line
};

/// Prints lines that are no status; on a terminal in the place of a status line, which comes again below.
void print_over_status(std::string_view lines);

}  // namespace xdpcap::cli
