// SPDX-License-Identifier: BSD-3-Clause
//
// The sections of a flight recorder's file, block by block: tshark reads a large one too slowly.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "xdpcap/tests/kernel/end_to_end/capture.h"

namespace xdpcap::test {

struct FileSection {
  std::string comment;
  std::uint64_t packets = 0;
  std::uint64_t lost_before_packets = 0;  ///< the sum of all epb_dropcount
  std::vector<FileStatistics> statistics;
  std::vector<std::string> statistics_comments;  ///< empty where there is none
};

/// Expects that `path` is made of whole blocks.
std::vector<FileSection> sections_in(const std::string& path);

}  // namespace xdpcap::test
