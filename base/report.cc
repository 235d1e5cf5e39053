// SPDX-License-Identifier: BSD-3-Clause

#include "base/report.h"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file_io.h"
#include "base/text.h"

namespace xdpcap::cli {

namespace {

/// A pipe that poll(2) calls writable takes this much without waiting: PIPE_BUF.
constexpr std::size_t kPieceBytes = 4096;

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
    const std::size_t bytes = character_bytes(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(bytes, 1));
    const bool is_kept = (keeps_lines && (character == "\n" || character == "\t")) ||
                         (bytes > 0 && !is_obeyed(code_point(character)));
    result += is_kept ? character : "?";
    text.remove_prefix(character.size());
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
  if (const int error = write_all(STDOUT_FILENO, text); error != 0) {
    return cbpfc::fail(cbpfc::Errc::Io,
                       fmt::format("write to standard output: {}", errno_text(error)), error);
  }
  return {};
}

}  // namespace xdpcap::cli
