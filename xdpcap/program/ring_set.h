// SPDX-License-Identifier: BSD-3-Clause
//
// The rings of a capture: one for each CPU the machine has, so that CPUs share no lock.
//
// A capture program finds its CPU's ring in a map: an array of maps of BPF ring buffers; for Transport::Shared an array
// whose values are the rings; for Transport::Perf a perf event array.
// Records of one CPU are in the order of their times, since XDP programs do not interrupt each other there.  Rings
// are made before anything is attached; their memory is taken at once.
//
// Limits: a CPU that is offline has a ring, since it may come online during the capture.  One that is only possible has
// none: virtual machines reserve numbers for 128 of them and more, for processors that would have to be plugged in first.  If
// that happens during a capture, packets there are lost, and counted.  Of perf buffers, only CPUs that are online get one.
// Tested by: xdpcap/tests/kernel/hook/hook_capture_test.cc, transport_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "xdpcap/kernel/perf_buffer.h"
#include "xdpcap/program/transport.h"

namespace xdpcap {

struct RingSetOptions {
  Transport transport = Transport::Classes;
  std::uint64_t ring_bytes = 1U << 20;  ///< of each ring; a power of two of whole pages
  std::uint32_t watermark_bytes = 1;    ///< of perf buffers, whose programs do not decide about it
  /// CPUs with numbers below this have a ring; nullopt: those that are present.
  std::optional<std::uint32_t> cpus = std::nullopt;
};

class RingSet {
 public:
  RingSet() = default;  ///< no rings

  /// Errors: those of create_ring_buffer() and PerfBuffer::open(), with the number of rings; Errc::Kernel.
  static Result<RingSet> create(const RingSetOptions& options);

  /// The map that capture programs find their ring in.
  int map_fd() const { return map_.get(); }
  /// How many rings in shared memory there are, by CPU; none for the other transports.
  std::size_t shared_rings() const { return shared_rings_; }
  /// The ring buffer that wakes the reader of shared rings.
  int wakeup_fd() const { return wakeup_.get(); }
  /// BPF ring buffers, by CPU; none for the other transports.
  const std::vector<UniqueFd>& rings() const { return rings_; }
  /// Perf buffers of the CPUs that are online; none for the other transports.
  const std::vector<PerfBuffer>& perf_buffers() const { return perf_buffers_; }
  /// Becomes readable when a ring should be looked at.
  int wake_fd() const { return wake_.get(); }
  std::uint64_t ring_bytes() const { return ring_bytes_; }  ///< of each
  /// What all of it takes.
  std::uint64_t memory_bytes() const { return memory_bytes_; }
  std::size_t count() const { return shared_rings_ + rings_.size() + perf_buffers_.size(); }

 private:
  Result<void> create_shared_rings(std::uint32_t cpus);
  Result<void> create_rings(std::uint32_t cpus);
  Result<void> create_perf_buffers(std::uint32_t cpus, std::uint32_t watermark_bytes);
  Result<void> watch(int fd) const;

  std::vector<UniqueFd> rings_;
  std::vector<PerfBuffer> perf_buffers_;
  std::size_t shared_rings_ = 0;
  UniqueFd wakeup_;
  UniqueFd map_;
  UniqueFd wake_;
  std::uint64_t ring_bytes_ = 0;
  std::uint64_t memory_bytes_ = 0;
};

}  // namespace xdpcap
