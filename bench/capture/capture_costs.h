// SPDX-License-Identifier: BSD-3-Clause
//
// What a capture costs the packet path: nanoseconds a packet on one CPU, by BPF_PROG_TEST_RUN.
//
// A target tail-calls its hook, as a user's program does; the hook is empty, or has a capture program.  The reader's
// part is not timed: rings are emptied between the samples, and are large enough not to fill in one.
//
// Beside it, the mechanism of the original: a program that hands each packet to a perf ring buffer
// (bpf_perf_event_output), with 64 MiB and a watermark of 1 MiB.
//
// A packet of 9000 bytes lies in several buffers.  Only programs loaded for that may meet it (xdp.frags), and a hook
// takes either kind; so it has a target, a hook and a baseline of its own.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct CaptureCost {
  std::string what;
  std::uint32_t packet_bytes = 0;
  std::vector<double> ns = {};        ///< by round, with the runner
  std::vector<double> above_ns = {};  ///< by round, less the empty hook in the same round
};

/// Measures all, `rounds` times in random order.  Moves the process into a network namespace, onto one CPU.
/// Errors: Errc::Permission, Errc::Kernel.
cbpfc::Result<std::vector<CaptureCost>> measure_capture_costs(int rounds);

}  // namespace bench
