// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of xdpcap: names, defaults, and what follows from what.

#pragma once

#include <cbpfc/pcap_filter.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xdpcap/capture/rate_trigger.h"
#include "xdpcap/kernel/action.h"
#include "xdpcap/program/limits.h"
#include "xdpcap/program/transport.h"
#include "xdpcap/sharing/chain.h"

namespace xdpcap {

enum class Request { Capture, List, Status, Detach, Diagnose, Help, Version };

struct XdpcapOptions {
  Request request = Request::Capture;
  std::string hook_path;
  std::string output;                      ///< "-": standard output; empty when only counting
  std::optional<mode_t> output_mode;       ///< of a file that is created; nullopt: the usual one
  std::string filter;                      ///< expression or program; empty: everything
  std::optional<std::string> filter_file;  ///< where the filter is instead
  std::optional<std::vector<Action>> actions;  ///< nullopt: all the hook has slots for
  std::uint64_t ring_bytes = 0;                ///< of each CPU
  std::uint32_t watermark_bytes = 1;
  std::uint32_t snaplen_bytes = 65535;
  cbpfc::LinkType link_type;
  CaptureLimits limits;
  std::optional<Transport> transport;           ///< nullopt: the best this kernel has
  std::optional<std::uint64_t> recorder_bytes;  ///< of the flight recorder; nullopt: none
  std::vector<RateLimit> triggers;              ///< which write it out
  OnBusy on_busy = OnBusy::Chain;
  bool force = false;                       ///< also what is not shown to be a hook
  bool is_passive = false;                  ///< of Request::Diagnose: nothing enters the hook
  std::optional<std::uint32_t> detach_pid;  ///< of Request::Detach; nullopt: all
  bool wants_json = false;                  ///< of Request::List and Status
  std::optional<std::string> user;          ///< to become once the capture runs; nullopt: stay
  bool counts_only = false;
  bool json = false;       ///< statistics as JSON lines
  std::string prometheus;  ///< the path of a file; empty: none
  bool flush = false;
  bool quiet = false;      ///< no statistics on standard error: -q, or packets on standard output
  bool is_silent = false;  ///< -q was given: also no remarks
  bool verbose = false;
  bool wait = false;
  bool like_original = false;  ///< see xdpcap/command/xdpcap_report.h

  bool is_to_stdout() const { return output == "-"; }
};

/// What the ranges and defaults of sizes depend on.
struct MachineLimits {
  std::uint64_t cpus = 1;  ///< that get a ring
  std::uint64_t memory_bytes = 0;
};
MachineLimits machine_limits();

/// Reads the command line; after -h or --version nothing else is looked at.
/// `like_original`, if given, also gets XdpcapOptions::like_original when it was read before an error.
/// Errors: Errc::InvalidArgument naming the option or the missing word.
Result<XdpcapOptions> parse_xdpcap_options(int argc, char** argv, const MachineLimits& limits,
                                           bool* like_original = nullptr);

/// What -h prints.
std::string xdpcap_help(const MachineLimits& limits);

}  // namespace xdpcap
