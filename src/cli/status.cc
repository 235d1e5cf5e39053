// SPDX-License-Identifier: BSD-3-Clause

#include "cli/status.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iterator>

#include "cli/report.h"

namespace xdpcap::cli {

namespace {

constexpr std::size_t kUsualColumns = 80;
/// The next line says the same with newer numbers.
constexpr std::chrono::milliseconds kNoPatience{0};

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return kUsualColumns;
  }
  return size.ws_col;
}

void put_any(std::string& line, std::uint64_t packets, std::string_view what) {
  if (packets != 0) {
    fmt::format_to(std::back_inserter(line), ", {} {}", packets, what);
  }
}

}  // namespace

std::string format_status(const ActionTotals& totals, const std::vector<Action>& actions) {
  std::string line;
  PacketTotals all;
  for (const Action action : actions) {
    const PacketTotals& counted = totals[index(action)];
    fmt::format_to(std::back_inserter(line), "{}: {}/{} ", name(action), counted.received,
                   counted.matched);
    all += counted;
  }
  line += "(received/matched packets)";
  put_any(line, all.held_back, "held back");
  put_any(line, all.overwritten, "overwritten");
  put_any(line, all.in_memory, "in memory");
  put_any(line, all.lost, "lost");
  return line;
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

std::string replace_line(std::string_view line, std::size_t columns) {
  // The last column stays free: some terminals wrap as soon as it is written.
  const std::string_view visible = line.substr(0, columns > 0 ? columns - 1 : 0);
  return fmt::format("\r{}\x1b[K", visible);
}

StatusLine::StatusLine() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void StatusLine::print(std::string_view line) {
  if (is_terminal_) {
    print_to_stderr(replace_line(line, terminal_columns()), kNoPatience);
    is_open_ = true;
  } else {
    print_to_stderr(fmt::format("{}\n", line), kNoPatience);
  }
}

void StatusLine::end() {
  if (is_open_) {
    print_to_stderr("\n");
    is_open_ = false;
  }
}

void print_over_status(std::string_view lines) {
  print_to_stderr(fmt::format("{}{}", ::isatty(STDERR_FILENO) == 1 ? "\r\x1b[K" : "", lines));
}

}  // namespace xdpcap::cli
