// SPDX-License-Identifier: BSD-3-Clause
//
// The engines that run a filter, each as far from the others as can be had:
//
//     the reference interpreter        the meaning of a filter
//     libpcap's bpf_filter()           what tcpdump does in user space
//     the kernel's classic BPF         SO_ATTACH_FILTER on a Unix datagram socket
//     our eBPF fragment                under BPF_PROG_TEST_RUN, see ebpf_engine.h
//
// Unix datagram delivery is synchronous, so "no match" is known at once, without waiting: the
// datagram is there or it is not.  A match shows as min(value, length) bytes.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/unique_fd.h"

namespace differential {

using Packet = std::vector<std::uint8_t>;

/// The value of libpcap's interpreter.  `program` must be one Filter::decode accepts: libpcap
/// aborts the process on some it does not.
std::uint32_t run_libpcap(std::span<const cbpfc::RawInsn> program,
                          std::span<const std::uint8_t> packet);

/// A socket pair whose receiving end filters.
class KernelSocket {
 public:
  KernelSocket();

  /// Attaches `program`; returns 0 or the errno of the refusal.
  int attach(std::span<const cbpfc::RawInsn> program);

  /// Sends a packet through the attached filter: nullopt if it was dropped, else the bytes
  /// delivered.
  std::optional<std::uint32_t> run(std::span<const std::uint8_t> packet);

 private:
  xdpcap::UniqueFd sender_;
  xdpcap::UniqueFd receiver_;
};

}  // namespace differential
