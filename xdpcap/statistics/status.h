// SPDX-License-Identifier: BSD-3-Clause
//
// The numbers of a running capture, once a second, and of one that has ended.
//
//     XDPAborted: 0/0 XDPDrop: 12/3 XDPPass: 254/0 (received/matched packets), 2 lost
//
// Scripts parse these lines, so where standard error is not a terminal they always have this form.  On a terminal each
// takes the place of the one before and must not wrap, so what matters most comes first, and a narrow terminal gets less:
//
//     2 lost, XDPAborted: 0/0 XDPDrop: 12/3 XDPPass: 254/0 (received/matched packets)
//     2 lost, XDPDrop: 12/3 XDPPass: 254/0
//     2 lost, all: 266/3
//
// The cursor waits at the line's start.  There the ^C of a user, which the terminal echoes, is overwritten by the last
// line, and when the terminal becomes narrower, everything that the line was wrapped into is erased.
//
// Tested by: xdpcap/tests/command/status_test.cc.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "xdpcap/capture/accounting.h"

namespace xdpcap::cli {

/// One line without its end, for `actions` in their order; what is not as usual only if there is any.
std::string format_status(const ActionTotals& totals, const std::vector<Action>& actions);

/// The same for a terminal, at most `columns` - 1 wide: losses first, then as much as there is room for.  The last one, which
/// may wrap, has exact numbers for each action in any case.
std::string fit_status(const ActionTotals& totals, const std::vector<Action>& actions,
                       std::size_t columns, bool is_last = false);

/// "254 packets received, 10 matched, 10 written, 0 lost", and what was held back, overwritten or not written if
/// anything.
std::string format_totals(const PacketTotals& totals);

/// "254 packets received, 10 matched", for who only counts.
std::string format_counts(const PacketTotals& totals);

/// The bytes that put `line` in the place of the line before.
std::string replace_line(std::string_view line);

/// Prints status lines on standard error; drops those it has no room for at once.
class StatusLine {
 public:
  StatusLine();
  void print(const ActionTotals& totals, const std::vector<Action>& actions);
  /// The line that stays.
  void print_last(const ActionTotals& totals, const std::vector<Action>& actions);
  /// Ends the line on a terminal, so that something else can be printed.
  void end();

 private:
  bool is_terminal_;
  bool is_open_ = false;  // the cursor stands on a status line
};

/// Prints ordinary lines; on a terminal over the status line, which is drawn again below within a second.
void print_over_status(std::string_view lines);

}  // namespace xdpcap::cli
