// SPDX-License-Identifier: BSD-3-Clause
//
// Runs one XDP program after the other under BPF_PROG_TEST_RUN, thousands a second: they are tail-called
// by a program that stays attached (ebpf_engine.h says why).

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernel/unique_fd.h"

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

  /// What the loaded program returns.  Requires: at least 14 bytes.
  std::uint32_t run(std::span<const std::uint8_t> packet) const;

 private:
  xdpcap::UniqueFd array_;
  xdpcap::UniqueFd runner_;
  xdpcap::UniqueFd link_;
};

}  // namespace differential
