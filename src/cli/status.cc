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

}  // namespace

std::string format_status(const ActionTotals& totals, const std::vector<Action>& actions) {
  std::string line;
  std::uint64_t held_back = 0;
  std::uint64_t lost = 0;
  for (const Action action : actions) {
    const PacketTotals& counted = totals[index(action)];
    fmt::format_to(std::back_inserter(line), "{}: {}/{} ", name(action), counted.received,
                   counted.matched);
    held_back += counted.held_back;
    lost += counted.lost;
  }
  line += "(received/matched packets)";
  if (held_back != 0) {
    fmt::format_to(std::back_inserter(line), ", {} held back", held_back);
  }
  if (lost != 0) {
    fmt::format_to(std::back_inserter(line), ", {} lost", lost);
  }
  return line;
}

std::string format_totals(const PacketTotals& totals) {
  std::string line =
      fmt::format("{} packets received, {} matched", totals.received, totals.matched);
  if (totals.held_back != 0) {
    fmt::format_to(std::back_inserter(line), ", {} held back", totals.held_back);
  }
  fmt::format_to(std::back_inserter(line), ", {} written, {} lost", totals.written, totals.lost);
  if (totals.unwritten != 0) {
    fmt::format_to(std::back_inserter(line), ", {} not written", totals.unwritten);
  }
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

}  // namespace xdpcap::cli
