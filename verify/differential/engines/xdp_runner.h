// SPDX-License-Identifier: BSD-3-Clause
//
// Runs one XDP program after the other under BPF_PROG_TEST_RUN, thousands a second.
//
// BPF_PROG_TEST_RUN of an XDP program rebuilds the kernel's XDP dispatcher before and after, which
// waits for RCU, unless that program is attached somewhere.  So one program, the runner, is
// attached to the loopback of a network namespace of its own and never changes; it tail-calls slot
// 0 of an array, and the program under test goes there.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace differential {

/// Loads a program; on failure the descriptor is closed and `log` has the verifier's words.
xdpcap::UniqueFd load_program(int type, const std::vector<cbpfc::ebpf::Insn>& insns,
                              std::string& log);

class XdpRunner {
 public:
  /// Enters a new network namespace with the whole process.
  XdpRunner();

  /// Loads an XDP program.  Returns the verifier's words, empty when it took it.
  std::string load(const std::vector<cbpfc::ebpf::Insn>& insns);

  /// Makes `program`, which stays the caller's, the one that runs.
  void select(const xdpcap::UniqueFd& program) { select(program.get()); }
  void select(int program);

  /// What the loaded or selected program returns.  Requires: at least 14 bytes.
  std::uint32_t run(std::span<const std::uint8_t> packet) const;

 private:
  xdpcap::UniqueFd array_;
  xdpcap::UniqueFd runner_;
  xdpcap::UniqueFd link_;
};

}  // namespace differential
