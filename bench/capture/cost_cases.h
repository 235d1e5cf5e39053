// SPDX-License-Identifier: BSD-3-Clause
//
// What capture_costs times: capture programs of every kind, made as xdpcap makes them, and the packet each gets.

#pragma once

#include <cbpfc/result.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "bench/live/perf_reference.h"
#include "xdpcap/hook/hook.h"
#include "xdpcap/program/limits.h"
#include "xdpcap/program/ring_set.h"
#include "xdpcap/program/transport.h"
#include "xdpcap/ring/record_reader.h"

namespace bench {

namespace cost_name {
inline constexpr const char* kEmpty = "hook empty";
inline constexpr const char* kOnlyReturns = "a program that only returns";
inline constexpr const char* kNotMatching = "not matching: ip and udp port 53";
inline constexpr const char* kRecorded = "recorded";
inline constexpr const char* kPerf = "perf buffer, tuned";
/// One that does not match, and as many behind it that do not, either.
inline std::string followed_by(std::uint32_t captures) {
  return "not matching, further captures: " + std::to_string(captures);
}
}  // namespace cost_name

inline constexpr std::array<std::uint32_t, 3> kFollowers = {1, 3, 7};

struct CostCase {
  std::string what;
  std::vector<std::uint8_t> packet;
  bool is_multi_buffer =
      false;  ///< target and capture program can have packets in several buffers (xdp.frags)
  xdpcap::UniqueFd program = {};  ///< not open: the hook stays empty
};

/// What a capture program is made for.
struct CaptureKind {
  std::string expression = {};
  xdpcap::CaptureLimits limits = {};
  bool counts_only = false;
  xdpcap::ChosenTransport transport = {.transport = xdpcap::Transport::Shared};
  std::uint32_t followers = 0;  ///< captures that do not match and come after it, at most 7
};

/// A chain that capture programs here stand in, as on a hook.  At all positions but the first is a capture that does not match, so a
/// program is followed by as many as there are positions behind it.
struct CostChain {
  xdpcap::UniqueFd state;
  xdpcap::UniqueFd programs;
};

/// The maps that all capture programs here share.
class CostMaps {
 public:
  /// Errors: Errc::Permission, Errc::Kernel.
  static cbpfc::Result<CostMaps> create();

  cbpfc::Result<xdpcap::UniqueFd> load_capture(const CaptureKind& kind, bool is_multi_buffer) const;
  cbpfc::Result<xdpcap::UniqueFd> load_perf(bool is_multi_buffer) const;
  /// Takes everything out of all rings.
  void drain();

 private:
  cbpfc::Result<void> make_chain(bool is_multi_buffer);
  CostMaps(xdpcap::RingSet shared_rings, xdpcap::RingSet rings, PerfReference perf)
      : shared_rings_(std::move(shared_rings)), rings_(std::move(rings)), perf_(std::move(perf)) {}

  xdpcap::RingSet shared_rings_;
  xdpcap::RingSet rings_;
  PerfReference perf_;
  xdpcap::UniqueFd counters_;
  xdpcap::UniqueFd shared_;
  xdpcap::UniqueFd flows_;
  xdpcap::UniqueFd whole_packets_;
  xdpcap::RecordReaders readers_;
  std::array<CostChain, 2> chains_;  ///< by whether packets may have several buffers
};

/// An empty hook comes before the others with the same is_multi_buffer.
cbpfc::Result<std::vector<CostCase>> make_cost_cases(const CostMaps& maps);

}  // namespace bench
