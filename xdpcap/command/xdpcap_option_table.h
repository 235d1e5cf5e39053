// SPDX-License-Identifier: BSD-3-Clause
//
// The options of xdpcap: their names, ranges and help.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/result.h"
#include "xdpcap/command/xdpcap_options.h"
#include "xdpcap/kernel/action.h"

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

/// The smallest ring that holds a packet of any length.
inline constexpr std::uint64_t kLeastUsualBufferBytes = 128ULL << 10U;
/// What a capture takes unless more is asked for: rings, with what lies around them, copies of packets in several buffers,
/// output buffer.  More only where it is not enough for kLeastUsualBufferBytes for each CPU: from 250 CPUs on.
inline constexpr std::uint64_t kUsualMemoryBytes = 64ULL << 20U;

/// The ring of a CPU if -buffer is not given: a power of two, from kLeastUsualBufferBytes to 4 MiB.
std::uint64_t usual_buffer_bytes(const MachineLimits& limits);

/// The table; its setters keep references to `written`.
std::vector<cli::Option> make_option_table(WrittenOptions& written, const MachineLimits& limits);

}  // namespace xdpcap

// XDP actions from the command line: "pass, XDP_DROP,3".

namespace xdpcap::cli {

/// Reads a comma-separated list of names (any case, with or without "XDP" or "XDP_") and numbers.
///
/// The result is in the order of the list, each action once.
/// Errors: Errc::InvalidArgument naming the word and listing the actions there are.
Result<std::vector<Action>> parse_actions(std::string_view list);

}  // namespace xdpcap::cli
