// SPDX-License-Identifier: BSD-3-Clause

#include "tools/filter_text.h"

#include <cbpfc/text.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace command {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";

std::string_view trimmed(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kSpace);
  if (start == std::string_view::npos) {
    return "";
  }
  return text.substr(start, text.find_last_not_of(kSpace) - start + 1);
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

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

Result<std::string> read_input(const std::string& path) {
  const auto failed = [&](int error) {
    const Errc code = error == ENOENT   ? Errc::NotFound
                      : error == EACCES ? Errc::Permission
                                        : Errc::Io;
    return fail(code, fmt::format("read {}: {}", input_name(path), std::strerror(error)), error);
  };
  std::unique_ptr<std::FILE, CloseFile> opened;
  if (path != "-") {
    opened.reset(std::fopen(path.c_str(), "re"));
    if (opened == nullptr) {
      return failed(errno);
    }
  }
  std::FILE* const file = opened ? opened.get() : stdin;
  std::string text;
  std::array<char, 65536> piece{};
  while (const std::size_t size = std::fread(piece.data(), 1, piece.size(), file)) {
    text.append(piece.data(), size);
  }
  if (std::ferror(file) != 0) {
    return failed(errno);
  }
  return text;
}

std::string without_comments(std::string_view text) {
  std::string kept;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = take_line(rest);
    if (!trimmed(line).starts_with('#')) {
      kept.append(line).append("\n");
    }
  }
  if (cbpfc::looks_like_program(kept)) {
    return std::string(trimmed(kept));
  }
  std::string joined;
  for (std::string_view rest = kept; !rest.empty();) {
    std::string_view line = take_line(rest);
    line = trimmed(line.substr(0, line.find('#')));
    if (!line.empty()) {
      joined.append(joined.empty() ? "" : " ").append(line);
    }
  }
  return joined;
}

}  // namespace command
