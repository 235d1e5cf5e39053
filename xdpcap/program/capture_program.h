// SPDX-License-Identifier: BSD-3-Clause
//
// The capture program: what runs for each packet in one slot of a hook.
//
//     count received
//     run the filter's fragment (filter_code.h)                no match: to the tail call
//     count matched
//     limits (limit_code.h)                                    not this one: count held back
//     a record of its bytes (record_code.h)                    no room: count lost
//     tail call to the next capture of the chain (chain_code.h)
//     return action
//
// It is assembled here instruction by instruction, because these are the instructions the packet
// path pays for; nothing needs clang or BTF at run time.  This file is pure: it makes instructions
// from numbers and knows no kernel.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/ebpf.h>

#include <cstdint>
#include <vector>

#include "xdpcap/kernel/action.h"
#include "xdpcap/program/limits.h"
#include "xdpcap/program/transport.h"

namespace xdpcap {

struct CaptureProgramSpec {
  Action action = Action::Pass;
  std::uint32_t snaplen_bytes = 65535;  ///< 1 .. abi::kMaxCapturedBytes
  std::uint32_t watermark_bytes =
      1;  ///< wake the reader when the ring holds this much; 0 and 1: at once
  ChosenTransport transport = {};
  bool multi_buffer = false;     ///< whether packets may have several buffers
  int rings_fd = -1;             ///< RingSet::map_fd() of the transport
  std::uint64_t ring_bytes = 0;  ///< of each ring, of Transport::Shared
  int wakeup_fd = -1;            ///< RingSet::wakeup_fd(), of Transport::Shared
  int counters_fd = -1;          ///< BPF_MAP_TYPE_PERCPU_ARRAY of abi::Counters, key: action
  /// BPF_MAP_TYPE_ARRAY of kWholePacketBytes, key: CPU, where packets may have several buffers; else -1.
  int whole_packets_fd = -1;
  CaptureLimits limits = {};
  int shared_limits_fd =
      -1;             ///< BPF_MAP_TYPE_ARRAY of one abi::SharedLimits, for limits that are shared
  int flows_fd = -1;  ///< BPF_MAP_TYPE_LRU_HASH, abi::FlowKey to 64 bits, for packets_per_flow
  bool counts_only = false;  ///< records nothing: what follows `count matched` is left out
  int chain_state_fd = -1;   ///< the maps of a Chain; -1: the program stands alone
  int chain_programs_fd = -1;
  std::uint32_t position = 0;  ///< in it
};

/// The instructions of a capture program.
/// Errors: InvalidArgument for a snap length out of range; those of cbpfc::compile_ebpf.
Result<std::vector<cbpfc::ebpf::Insn>> build_capture_program(const cbpfc::Filter& filter,
                                                             const CaptureProgramSpec& spec);

}  // namespace xdpcap
