// SPDX-License-Identifier: BSD-3-Clause
//
// The mechanism of the original xdpcap, to compare with: bpf_perf_event_output() into a perf ring buffer for each CPU.
//
// Source: Linux v6.18 kernel/trace/bpf_trace.c bpf_perf_event_output(), net/core/filter.c
// bpf_xdp_event_output(); perf_event_open(2).

#pragma once

#include <cbpfc/result.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/unique_fd.h"
#include "bench/live/perf_records.h"
#include "xdpcap/kernel/action.h"
#include "xdpcap/kernel/perf_buffer.h"

namespace bench {

/// What the program puts in front of each packet: room for the action and the time, as the original does.
inline constexpr std::size_t kPerfMetadataBytes = 16;

struct PerfSize {
  std::size_t buffer_bytes = 0;  ///< a power of two of whole pages, for each CPU
  std::uint32_t watermark_bytes =
      0;  ///< the reader is woken up when the buffer holds this much; 1: for every packet
};

class PerfReference {
 public:
  /// A perf buffer on each of `cpus`.
  /// Errors: Errc::Permission, Errc::Kernel.
  static cbpfc::Result<PerfReference> create(std::span<const int> cpus, const PerfSize& size);

  /// A program that outputs each packet with its metadata in front and returns `action`.
  cbpfc::Result<xdpcap::UniqueFd> load(xdpcap::Action action, bool is_multi_buffer) const;
  const std::vector<xdpcap::PerfBuffer>& buffers() const { return buffers_; }
  /// Takes all out of the buffers.
  void drain() const;

 private:
  PerfReference() = default;

  xdpcap::UniqueFd map_;
  std::vector<xdpcap::PerfBuffer> buffers_;
};

}  // namespace bench
