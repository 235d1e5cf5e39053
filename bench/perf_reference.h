// SPDX-License-Identifier: BSD-3-Clause
//
// The mechanism of the original xdpcap, to compare with: bpf_perf_event_output() into a perf ring buffer.
//
// Source: Linux v6.18 kernel/trace/bpf_trace.c bpf_perf_event_output(), net/core/filter.c
// bpf_xdp_event_output(); perf_event_open(2).

#pragma once

#include <cbpfc/ebpf.h>
#include <cbpfc/result.h>

#include <cstddef>
#include <memory>

#include "kernel/unique_fd.h"

namespace bench {

class PerfReference {
 public:
  /// A perf buffer on `cpu`.
  /// Units: `buffer_bytes` is a power of two of whole pages.
  static cbpfc::Result<PerfReference> create(int cpu, std::size_t buffer_bytes,
                                             std::uint32_t watermark_bytes);

  /// A program that outputs each packet with 16 bytes in front and returns `action`.
  cbpfc::Result<xdpcap::UniqueFd> load(std::uint32_t action) const;
  /// Takes all out of the buffer.
  void drain();

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(void* address) const;
  };
  xdpcap::UniqueFd map_;
  xdpcap::UniqueFd event_;
  std::unique_ptr<void, Unmap> pages_;
};

}  // namespace bench
