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
#include <span>
#include <string>
#include <vector>

#include "differential/configuration.h"
#include "kernel/unique_fd.h"

namespace differential {

inline constexpr std::size_t kMinTestRunBytes = 14;

/// The attached program.  Enters a new network namespace with the whole process.
class Runner {
 public:
  Runner();

  /// The XDP action of `program` on `frame`, which has at least 14 bytes.
  std::uint32_t run(const xdpcap::UniqueFd& program, std::span<const std::uint8_t> frame);

 private:
  xdpcap::UniqueFd array_;
  xdpcap::UniqueFd program_;
  xdpcap::UniqueFd link_;
};

/// One configuration's fragment in the kernel.
class EbpfEngine {
 public:
  /// `runner` must outlive this.
  EbpfEngine(Runner& runner, Configuration configuration)
      : runner_(&runner), configuration_(std::move(configuration)) {}

  const Configuration& configuration() const { return configuration_; }

  /// Compiles and loads `filter`, for packets shorter than 14 bytes as a program of its own when the
  /// first of them comes. Returns what went wrong (the compiler's error or the verifier's log), empty
  /// when nothing did.
  std::string load(const cbpfc::Filter& filter);

  /// Runs the fragment over `packet` into `value`.  Requires: load(), whose filter still exists.
  /// Returns as load().
  std::string run(std::span<const std::uint8_t> packet, std::uint32_t& value);

 private:
  std::string load(bool skip);

  Runner* runner_;
  Configuration configuration_;
  const cbpfc::Filter* filter_ = nullptr;
  xdpcap::UniqueFd plain_;
  xdpcap::UniqueFd skip_;
};

}  // namespace differential
