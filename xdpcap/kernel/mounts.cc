// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/mounts.h"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace xdpcap {
namespace {

constexpr const char* kMountInfo = "/proc/self/mountinfo";
constexpr std::size_t kDeviceField = 2;
constexpr std::size_t kRootField = 3;
constexpr std::size_t kPathField = 4;
constexpr std::size_t kFirstOptionalField = 6;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

/// "\040" to " ".
std::string unescape(std::string_view text) {
  constexpr std::size_t kEscapeBytes = 4;
  std::string result;
  while (!text.empty()) {
    const std::string_view escape = text.substr(0, kEscapeBytes);
    if (escape.size() == kEscapeBytes && escape[0] == '\\' && escape[1] <= '3' &&
        std::ranges::all_of(escape.substr(1), is_octal)) {
      result +=
          static_cast<char>((escape[1] - '0') << 6 | (escape[2] - '0') << 3 | (escape[3] - '0'));
      text.remove_prefix(kEscapeBytes);
    } else {
      result += text.front();
      text.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace

std::vector<Mount> parse_mounts(std::string_view mountinfo, std::string_view type) {
  std::vector<Mount> mounts;
  for (const std::string_view line : split(mountinfo, '\n')) {
    const std::vector<std::string_view> fields = split(line, ' ');
    if (fields.size() <= kFirstOptionalField) {
      continue;
    }
    const auto dash = std::find(fields.begin() + kFirstOptionalField, fields.end(), "-");
    if (dash != fields.end() && std::next(dash) != fields.end() && *std::next(dash) == type) {
      mounts.push_back({.device = std::string(fields[kDeviceField]),
                        .root = unescape(fields[kRootField]),
                        .path = unescape(fields[kPathField])});
    }
  }
  return mounts;
}

Result<std::vector<Mount>> mounts_of_type(std::string_view type) {
  std::ifstream file(kMountInfo);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (text.empty()) {
    return fail(Errc::Io,
                fmt::format("find mounts of type {} in {}: it cannot be read; is /proc mounted?",
                            type, kMountInfo));
  }
  return parse_mounts(text, type);
}

}  // namespace xdpcap
