// SPDX-License-Identifier: BSD-3-Clause

#include "cli/report.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace xdpcap::cli {

namespace {

/// A pipe that poll(2) calls writable takes this much without waiting: PIPE_BUF.
constexpr std::size_t kPieceBytes = 4096;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
}

/// Whether `text` starts with one of the control characters U+0080 to U+009F in UTF-8.
bool starts_with_c1(std::string_view text) {
  const auto second = static_cast<unsigned char>(text.size() > 1 ? text[1] : 0);
  return text.starts_with('\xc2') && second >= 0x80 && second <= 0x9f;
}

bool has_room(int fd, std::chrono::milliseconds patience) {
  constexpr int kTries = 3;  // SIGCONT ends a poll
  pollfd polled{.fd = fd, .events = POLLOUT, .revents = 0};
  int ready = -1;
  for (int i = 0; i < kTries && ready < 0; ++i) {
    ready = ::poll(&polled, 1, static_cast<int>(patience.count()));
  }
  return ready > 0;
}

}  // namespace

std::string printable(std::string_view text, bool keeps_lines) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const char c = text.front();
    const bool is_kept = !is_control(c) || (keeps_lines && (c == '\n' || c == '\t'));
    const bool is_pair = starts_with_c1(text);
    result += is_kept && !is_pair ? c : '?';
    text.remove_prefix(is_pair ? 2 : 1);
  }
  return result;
}

bool should_show_detail(const cbpfc::Error& error, bool verbose) {
  return !error.detail.empty() && (verbose || error.code == cbpfc::Errc::Syntax);
}

std::string format_error(std::string_view program, const cbpfc::Error& error, bool verbose) {
  if (!should_show_detail(error, verbose)) {
    const std::string_view more = error.detail.empty() ? "" : " (-v shows more)";
    return fmt::format("{}: {}{}\n", program, printable(error.message), more);
  }
  const std::string_view end = error.detail.ends_with('\n') ? "" : "\n";
  return fmt::format("{}: {}\n{}{}", program, printable(error.message),
                     printable(error.detail, true), end);
}

void print_to_stderr(std::string_view text, std::chrono::milliseconds patience) {
  while (!text.empty() && has_room(STDERR_FILENO, patience)) {
    const std::string_view piece = text.substr(0, kPieceBytes);
    const ssize_t written = ::write(STDERR_FILENO, piece.data(), piece.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

cbpfc::Result<void> print_to_stdout(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      const int error = written == 0 ? EIO : errno;
      return cbpfc::fail(cbpfc::Errc::Io,
                         fmt::format("write to standard output: {}", std::strerror(error)), error);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace xdpcap::cli
