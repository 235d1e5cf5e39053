// SPDX-License-Identifier: BSD-3-Clause
//
// How long the kernel takes for an XDP program and a packet.
//
// BPF_PROG_TEST_RUN with a repeat count, and the wall time of the call: the duration it reports is
// truncated to whole nanoseconds.  For a program that is not attached anywhere the kernel
// rebuilds its XDP dispatcher before and after, which waits for RCU, 10 to 30 ms.  So one program, the
// runner, is attached to the loopback of a network namespace of its own; it tail-calls slot 0 of an
// array, and what is to be timed goes there.  The tail call is part of every time, and goes away in
// the difference of two.
//
// Interrupts, other processes and the hypervisor only ever add time.  So a sample is the least of a few short
// ones; against slow phases that last longer only many samples help, and quantiles.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <span>

#include "base/unique_fd.h"

namespace bench {

class KernelTimer {
 public:
  /// Moves the whole process into a new network namespace and onto one CPU, the last.  Programs for packets in
  /// several buffers need a runner for them, and others one that is not.
  /// Errors: Errc::Permission, Errc::Kernel.
  static cbpfc::Result<KernelTimer> create(bool is_multi_buffer = false);

  /// What the next runs run.
  cbpfc::Result<void> select(int program_fd);

  /// What the selected program returns for a packet of at least 14 bytes.
  cbpfc::Result<std::uint32_t> run(std::span<const std::uint8_t> packet);

  /// How many nanoseconds one run takes: the least of three times `repeat` runs.
  cbpfc::Result<double> time_ns(std::span<const std::uint8_t> packet, std::uint32_t repeat);

 private:
  KernelTimer(xdpcap::UniqueFd inside, xdpcap::UniqueFd array, xdpcap::UniqueFd runner,
              xdpcap::UniqueFd link)
      : network_namespace_(std::move(inside)),
        array_(std::move(array)),
        runner_(std::move(runner)),
        link_(std::move(link)) {}

  xdpcap::UniqueFd
      network_namespace_;  ///< without it the loopback goes when the process enters another
  xdpcap::UniqueFd array_;
  xdpcap::UniqueFd runner_;
  xdpcap::UniqueFd link_;
};

}  // namespace bench
