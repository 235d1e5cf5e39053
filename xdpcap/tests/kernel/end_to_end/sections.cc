// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/end_to_end/sections.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>

namespace xdpcap::test {
namespace {

template <typename T>
T number_at(std::string_view bytes, std::size_t at) {
  T number{};
  std::memcpy(&number, bytes.substr(at, sizeof(T)).data(), sizeof(T));
  return number;
}

/// Options by code, from their first byte on.
std::map<unsigned, std::string> options_in(std::string_view bytes) {
  std::map<unsigned, std::string> options;
  while (bytes.size() >= 4) {
    const unsigned code = number_at<std::uint16_t>(bytes, 0);
    const std::size_t length = number_at<std::uint16_t>(bytes, 2);
    if (code == 0) {
      break;
    }
    options[code] = bytes.substr(4, length);
    bytes.remove_prefix(4 + (length + 3) / 4 * 4);
  }
  return options;
}

void add_block(FileSection& section, std::uint32_t type, std::string_view body) {
  constexpr std::uint32_t kStatistics = 5;
  constexpr std::uint32_t kPacket = 6;
  if (type == kPacket) {
    ++section.packets;
    const std::size_t captured = number_at<std::uint32_t>(body, 12);
    const auto options = options_in(body.substr(20 + (captured + 3) / 4 * 4));
    if (const auto lost = options.find(4); lost != options.end()) {
      section.lost_before_packets += number_at<std::uint64_t>(lost->second, 0);
    }
  } else if (type == kStatistics) {
    auto options = options_in(body.substr(12));
    section.statistics.push_back({.received = number_at<std::uint64_t>(options[4], 0),
                                  .accepted = number_at<std::uint64_t>(options[6], 0),
                                  .dropped = number_at<std::uint64_t>(options[7], 0),
                                  .delivered = number_at<std::uint64_t>(options[8], 0)});
    section.statistics_comments.push_back(options[1]);
  }
}

}  // namespace

std::vector<FileSection> sections_in(const std::string& path) {
  constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
  std::ifstream stream(path, std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(stream), {}};
  std::vector<FileSection> sections;
  for (std::string_view rest = file; !rest.empty();) {
    const std::size_t length = rest.size() < 12 ? 0 : number_at<std::uint32_t>(rest, 4);
    if (length < 12 || length > rest.size()) {
      ADD_FAILURE() << path << " ends inside a block, " << rest.size() << " bytes before its end";
      break;
    }
    const auto type = number_at<std::uint32_t>(rest, 0);
    const std::string_view body = rest.substr(8, length - 12);
    if (type == kSectionHeader) {
      sections.push_back({.comment = options_in(body.substr(16))[1],
                          .packets = 0,
                          .lost_before_packets = 0,
                          .statistics = {},
                          .statistics_comments = {}});
    } else if (!sections.empty()) {
      add_block(sections.back(), type, body);
    }
    rest.remove_prefix(length);
  }
  return sections;
}

}  // namespace xdpcap::test
