// SPDX-License-Identifier: BSD-3-Clause
//
// Runs compiled fragments in the kernel, thousands a second.
//
// BPF_PROG_TEST_RUN of an XDP program rebuilds the kernel's XDP dispatcher before and after, which
// waits for RCU, unless that program is attached somewhere.  So one program, the runner, is
// attached to the loopback of a network namespace of its own and never changes; it tail-calls slot
// 0 of an array, and the program under test goes there.
//
// The kernel refuses test packets of less than 14 bytes.  A shorter packet is put at the end of a
// 14-byte frame whose first byte says how many bytes to skip, and the fragment gets the rest as its
// packet: which also tries a packet that does not start at ctx->data.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "kernel/unique_fd.h"

namespace differential {

class EbpfEngine {
 public:
  /// Enters a new network namespace with the whole process.
  EbpfEngine();

  /// Compiles and loads `filter`; with `skip`, for packets shorter than 14 bytes.
  /// Returns what went wrong (compiler's error or the verifier's log), empty when nothing did.
  std::string load(const cbpfc::Filter& filter, bool skip);

  /// The fragment's value.  Requires: load() with skip == (packet.size() < 14).
  std::uint32_t run(std::span<const std::uint8_t> packet);

 private:
  xdpcap::UniqueFd array_;
  xdpcap::UniqueFd runner_;
  xdpcap::UniqueFd link_;
  bool skip_ = false;
};

inline constexpr std::size_t kMinTestRunBytes = 14;

}  // namespace differential
