// SPDX-License-Identifier: BSD-3-Clause
//
// The rings of a capture: one for each CPU the machine can have, so that CPUs share no lock.
//
// A capture program finds its CPU's ring in an array of maps.  Records of one CPU are in the order of their times,
// since XDP programs do not interrupt each other there.  Rings are made before anything is attached; their memory
// is taken at once.
//
// Limits: memory is taken also for CPUs that are possible and not there.
// Tested by: tests/kernel/hook_capture_test.cc.

#pragma once

#include <cstdint>
#include <vector>

#include "kernel/result.h"
#include "kernel/unique_fd.h"

namespace xdpcap {

class RingSet {
 public:
  RingSet() = default;  ///< no rings

  /// Units: `ring_bytes` is a power of two of whole pages, for each ring.
  /// Errors: those of create_ring_buffer(), with the number of rings; Errc::Kernel.
  static Result<RingSet> create(std::uint64_t ring_bytes);

  /// The array of maps, for capture programs.
  int array_fd() const { return array_.get(); }
  /// By CPU.
  const std::vector<UniqueFd>& rings() const { return rings_; }
  /// Becomes readable when a ring should be looked at.
  int wake_fd() const { return wake_.get(); }
  std::uint64_t ring_bytes() const { return ring_bytes_; }  ///< of each

 private:
  std::vector<UniqueFd> rings_;
  UniqueFd array_;
  UniqueFd wake_;
  std::uint64_t ring_bytes_ = 0;
};

}  // namespace xdpcap
