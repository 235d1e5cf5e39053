// SPDX-License-Identifier: BSD-3-Clause
//
// Instructions executed: free of noise, so the figure to steer an optimiser by.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <span>

#include "bench/programs/programs.h"

namespace bench {

struct Executed {
  std::uint64_t insns = 0;  ///< of the whole program
  bool matches = false;
};

/// Runs a `minimal` program over a packet in cbpfc's interpreter of eBPF.
/// Errors: those of cbpfc::ebpf::interpret(); Errc::InvalidProgram when it ends with something else
/// than XDP_DROP or XDP_PASS.
cbpfc::Result<Executed> count_executed(const Program& minimal,
                                       std::span<const std::uint8_t> packet);

}  // namespace bench
