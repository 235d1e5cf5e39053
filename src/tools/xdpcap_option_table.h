// SPDX-License-Identifier: BSD-3-Clause
//
// The options of xdpcap: their names, ranges and help.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cli/options.h"
#include "tools/xdpcap_options.h"

namespace xdpcap {

/// As written; defaults that depend on other options are still open.
struct WrittenOptions {
  XdpcapOptions options;
  std::uint64_t buffer_bytes = 0;
  std::optional<std::uint64_t> watermark_bytes;
  std::vector<Request> requests;  ///< other than Capture, Help and Version
  bool wants_help = false;
  bool wants_version = false;
};

/// The ring of a CPU if nobody asks for another.
std::uint64_t usual_buffer_bytes(const MachineLimits& limits);

/// The table; its setters keep references to `written`.
std::vector<cli::Option> make_option_table(WrittenOptions& written, const MachineLimits& limits);

}  // namespace xdpcap
