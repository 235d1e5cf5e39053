// SPDX-License-Identifier: BSD-3-Clause

#include "cli/report.h"

#include <fmt/format.h>
#include <unistd.h>

namespace xdpcap::cli {

bool should_show_detail(const cbpfc::Error& error, bool verbose) {
  return !error.detail.empty() && (verbose || error.code == cbpfc::Errc::Syntax);
}

std::string format_error(std::string_view program, const cbpfc::Error& error, bool verbose) {
  if (!should_show_detail(error, verbose)) {
    const std::string_view more = error.detail.empty() ? "" : " (-v shows more)";
    return fmt::format("{}: {}{}\n", program, error.message, more);
  }
  const std::string_view end = error.detail.ends_with('\n') ? "" : "\n";
  return fmt::format("{}: {}\n{}{}", program, error.message, error.detail, end);
}

void print_to_stderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) {
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace xdpcap::cli
