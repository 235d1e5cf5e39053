// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/input/filter_text.h"

#include <cbpfc/text.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/text.h"
#include "base/unique_fd.h"

namespace command {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

/// A program: its lines but those that are comments, from the first instruction to the last.
FilterText program_text(std::string_view file) {
  FilterText program;
  for (std::size_t number = 1; !file.empty(); ++number) {
    std::string_view line = take_line(file);
    std::size_t column = 1;
    if (xdpcap::trim(line).starts_with('#')) {
      continue;
    }
    if (program.text.empty()) {
      const std::size_t start = std::min(line.find_first_not_of(" \t\r\n\f\v"), line.size());
      line.remove_prefix(start);
      column += start;
    }
    if (!program.text.empty() || !line.empty()) {
      program.stretches.push_back(
          {.offset = program.text.size(), .line = number, .column = column});
      program.text.append(line).append("\n");
    }
  }
  program.text.resize(xdpcap::trim(program.text).size());
  return program;
}

FilterText expression_text(std::string_view file) {
  FilterText expression;
  for (std::size_t number = 1; !file.empty(); ++number) {
    const std::string_view line = take_line(file);
    const std::string_view kept = xdpcap::trim(line.substr(0, line.find('#')));
    if (!kept.empty()) {
      expression.text.append(expression.text.empty() ? "" : " ");
      expression.stretches.push_back(
          {.offset = expression.text.size(),
           .line = number,
           .column = 1 + static_cast<std::size_t>(kept.data() - line.data())});
      expression.text.append(kept);
    }
  }
  return expression;
}

}  // namespace

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string input_name(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

std::unexpected<cbpfc::Error> read_error(const std::string& name, int error) {
  const Errc code = error == ENOENT || error == ENOTDIR ? Errc::NotFound
                    : error == EACCES || error == EPERM ? Errc::Permission
                                                        : Errc::Io;
  return fail(code, fmt::format("read {}: {}", name, xdpcap::errno_text(error)), error);
}

Result<std::string> read_all(int fd, const std::string& name) {
  std::string text;
  std::vector<char> piece(65536);
  while (true) {
    const ssize_t size = ::read(fd, piece.data(), piece.size());
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0) {
      return read_error(name, errno);
    }
    if (size == 0) {
      return text;
    }
    text.append(piece.data(), static_cast<std::size_t>(size));
    if (text.size() > kMostFilterBytes) {
      return fail(Errc::TooLarge,
                  fmt::format("read {}: it has more than {} MiB, the most for a filter", name,
                              kMostFilterBytes >> 20U));
    }
  }
}

Result<std::string> read_input(const std::string& path) {
  if (path == "-") {
    return read_all(STDIN_FILENO, input_name(path));
  }
  const xdpcap::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.is_open() ? read_all(fd.get(), path) : read_error(path, errno);
}

std::string FilterText::describe(std::size_t offset) const {
  const auto next = std::ranges::upper_bound(stretches, offset, {}, &Stretch::offset);
  if (next == stretches.begin()) {
    return "line 1, column 1";
  }
  const Stretch& stretch = *std::prev(next);
  return fmt::format("line {}, column {}", stretch.line, stretch.column + offset - stretch.offset);
}

FilterText parse_filter_text(std::string_view file) {
  FilterText program = program_text(file);
  return cbpfc::looks_like_program(program.text) ? program : expression_text(file);
}

std::string without_comments(std::string_view file) {
  return parse_filter_text(file).text;
}

}  // namespace command
