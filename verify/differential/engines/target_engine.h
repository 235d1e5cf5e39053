// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a filter's fragment in the kernel by each way a fragment can reach a packet:
//
//     Labels        an XDP packet; the fragment jumps to labels instead of leaving a value
//     MapBuffer     a map value that ends where the buffer ends, so that no byte too many is allowed
//     StackBuffer   the stack, likewise
//     Probe         the address of a map value, as a number
//
// User space writes the packet into the map value, which is mapped into its memory, and starts the
// program; the packet that BPF_PROG_TEST_RUN wants is a dummy then.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/compile.h>

#include <cstdint>
#include <span>
#include <string>

#include "verify/differential/engines/xdp_runner.h"

namespace differential {

enum class Target : std::uint8_t { Labels, MapBuffer, StackBuffer, Probe };

class TargetEngine {
 public:
  /// `buffer_size_bytes` is what the verifier knows of the buffer; on the stack at most 256.
  TargetEngine(const XdpRunner& runner, Target target, std::uint32_t buffer_size_bytes);
  TargetEngine(const TargetEngine&) = delete;
  TargetEngine& operator=(const TargetEngine&) = delete;
  ~TargetEngine();

  /// Compiles `filter`, with options this engine is free to choose taken from `base`.
  cbpfc::Result<std::vector<cbpfc::ebpf::Insn>> program(const cbpfc::Filter& filter,
                                                        const cbpfc::EbpfOptions& base = {}) const;

  /// Runs the program the runner has loaded.  Target::Labels: 1 for a match, at least 14 bytes.
  /// Requires: packet.size() <= buffer_size_bytes.
  std::uint32_t run(std::span<const std::uint8_t> packet);

  /// What a run leaves there: the kernel address of the packet.  Requires: Target::Probe, a run.
  std::uint64_t packet_address() const { return state_->address; }

 private:
  /// The start of the map's value; the packet is behind it.
  struct State {
    std::uint64_t length;
    std::uint64_t address;  ///< of the packet, written by the program
  };
  void find_packet(cbpfc::ebpf::Assembly& code, cbpfc::EbpfOptions& options) const;
  void copy_to_stack(cbpfc::ebpf::Assembly& code, cbpfc::EbpfOptions& options) const;

  const XdpRunner& runner_;
  Target target_;
  std::uint32_t buffer_size_bytes_;
  xdpcap::UniqueFd map_;
  State* state_ = nullptr;
  std::size_t mapped_bytes_ = 0;
};

}  // namespace differential
