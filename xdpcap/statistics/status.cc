// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/statistics/status.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <iterator>
#include <span>

#include "base/report.h"

namespace xdpcap::cli {

namespace {

constexpr std::size_t kUsualColumns = 80;
/// The next line says the same with newer numbers.
constexpr std::chrono::milliseconds kNoPatience{0};
constexpr std::string_view kLegend = "(received/matched packets)";

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return kUsualColumns;
  }
  return size.ws_col;
}

/// "1234567", or if it is to be short "1.23M": three digits.
std::string number(std::uint64_t packets, bool is_short) {
  constexpr std::uint64_t kLongest = 10'000;
  constexpr std::array<std::string_view, 6> kUnits = {"k", "M", "G", "T", "P", "E"};
  if (!is_short || packets < kLongest) {
    return fmt::format("{}", packets);
  }
  double value = static_cast<double>(packets) / 1e3;
  std::size_t unit = 0;
  for (; value >= 999.5; value /= 1e3) {
    ++unit;
  }
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}", value, decimals, kUnits[unit]);
}

void put_any(std::string& line, std::uint64_t packets, std::string_view what,
             bool is_short = false) {
  if (packets != 0) {
    fmt::format_to(std::back_inserter(line), ", {} {}", number(packets, is_short), what);
  }
}

void put_limits(std::string& line, const PacketTotals& totals, bool is_short) {
  put_any(line, totals.held_back, "held back", is_short);
  put_any(line, totals.overwritten, "overwritten", is_short);
  put_any(line, totals.in_memory, "in memory", is_short);
}

PacketTotals sum_of(const ActionTotals& totals, const std::vector<Action>& actions) {
  PacketTotals all;
  for (const Action action : actions) {
    all += totals[index(action)];
  }
  return all;
}

std::string lost_text(const PacketTotals& totals) {
  return totals.lost != 0 ? fmt::format("{} lost", totals.lost) : "";
}

/// What a line for a terminal leaves out.
struct Brevity {
  bool has_all_actions = true;  ///< also those without packets
  bool has_legend = true;
  bool has_short_numbers = false;
  bool is_sum = false;  ///< of all actions
};

std::string brief_status(const ActionTotals& totals, const std::vector<Action>& actions,
                         const Brevity& brevity) {
  const auto counted = [&](std::string_view what, const PacketTotals& packets) {
    return fmt::format("{}: {}/{} ", what, number(packets.received, brevity.has_short_numbers),
                       number(packets.matched, brevity.has_short_numbers));
  };
  const PacketTotals all = sum_of(totals, actions);
  std::string line = lost_text(all);
  line += line.empty() ? "" : ", ";
  if (brevity.is_sum || (all.received == 0 && !brevity.has_all_actions)) {
    line += counted("all", all);
  } else {
    for (const Action action : actions) {
      const PacketTotals& one = totals[index(action)];
      line += brevity.has_all_actions || one.received != 0 ? counted(name(action), one) : "";
    }
  }
  if (brevity.has_legend) {
    line += kLegend;
  } else {
    line.pop_back();
  }
  put_limits(line, all, brevity.has_short_numbers);
  return line;
}

}  // namespace

std::string format_status(const ActionTotals& totals, const std::vector<Action>& actions) {
  std::string line;
  for (const Action action : actions) {
    const PacketTotals& counted = totals[index(action)];
    fmt::format_to(std::back_inserter(line), "{}: {}/{} ", name(action), counted.received,
                   counted.matched);
  }
  const PacketTotals all = sum_of(totals, actions);
  line += kLegend;
  put_limits(line, all, false);
  put_any(line, all.lost, "lost");
  return line;
}

std::string fit_status(const ActionTotals& totals, const std::vector<Action>& actions,
                       std::size_t columns, bool is_last) {
  constexpr std::size_t kExactSteps = 3;
  constexpr std::array<Brevity, 6> kSteps = {{
      {},
      {.has_all_actions = false},
      {.has_all_actions = false, .has_legend = false},
      {.has_all_actions = false, .has_legend = false, .has_short_numbers = true},
      {.has_legend = false, .is_sum = true},
      {.has_legend = false, .has_short_numbers = true, .is_sum = true},
  }};
  // The last column stays free: some terminals wrap as soon as it is written.
  const std::size_t room = columns > 0 ? columns - 1 : 0;
  std::string line;
  for (const Brevity& step : std::span(kSteps).first(is_last ? kExactSteps : kSteps.size())) {
    line = brief_status(totals, actions, step);
    if (line.size() <= room) {
      return line;
    }
  }
  if (is_last) {
    return line;
  }
  // Part of a number would be another number.
  const std::string losses = lost_text(sum_of(totals, actions));
  return losses.size() <= room ? losses : "";
}

std::string format_totals(const PacketTotals& totals) {
  std::string line =
      fmt::format("{} packets received, {} matched", totals.received, totals.matched);
  put_any(line, totals.held_back, "held back");
  put_any(line, totals.overwritten, "overwritten");
  fmt::format_to(std::back_inserter(line), ", {} written, {} lost", totals.written, totals.lost);
  put_any(line, totals.unwritten, "not written");
  return line;
}

std::string format_counts(const PacketTotals& totals) {
  return fmt::format("{} packets received, {} matched", totals.received, totals.matched);
}

std::string replace_line(std::string_view line) {
  return fmt::format("\r{}\x1b[J\r", line);
}

StatusLine::StatusLine() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void StatusLine::print(const ActionTotals& totals, const std::vector<Action>& actions) {
  if (is_terminal_) {
    print_to_stderr(replace_line(fit_status(totals, actions, terminal_columns())), kNoPatience);
    is_open_ = true;
  } else {
    print_to_stderr(format_status(totals, actions) + "\n", kNoPatience);
  }
}

void StatusLine::print_last(const ActionTotals& totals, const std::vector<Action>& actions) {
  const std::string line = is_terminal_
                               ? replace_line(fit_status(totals, actions, terminal_columns(), true))
                               : format_status(totals, actions);
  print_to_stderr(line + "\n");
  is_open_ = false;
}

void StatusLine::end() {
  if (is_open_) {
    print_to_stderr("\n");
    is_open_ = false;
  }
}

void print_over_status(std::string_view lines) {
  print_to_stderr(fmt::format("{}{}", ::isatty(STDERR_FILENO) == 1 ? "\r\x1b[J" : "", lines));
}

}  // namespace xdpcap::cli
