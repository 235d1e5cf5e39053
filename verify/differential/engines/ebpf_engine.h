// SPDX-License-Identifier: BSD-3-Clause
//
// Runs compiled fragments over XDP packets in the kernel.
//
// The kernel refuses test packets of less than 14 bytes.  A shorter packet is put at the end of a
// 14-byte frame whose first byte says how many bytes to skip, and the fragment gets the rest as its
// packet: which also tries a packet that does not start at ctx->data.  An embedded engine does that with
// every packet.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "verify/differential/engines/configuration.h"
#include "verify/differential/engines/xdp_runner.h"

namespace differential {

inline constexpr std::size_t kMinTestRunBytes = 14;

/// One configuration's fragment in the kernel.
class EbpfEngine {
 public:
  /// `runner` must outlive this.
  EbpfEngine(XdpRunner& runner, Configuration configuration, bool embedded = false)
      : runner_(&runner), configuration_(std::move(configuration)), embedded_(embedded) {}

  const Configuration& configuration() const { return configuration_; }

  /// Compiles and loads, for packets shorter than 14 bytes as a program of its own when the
  /// first of them comes. Returns what went wrong (the compiler's error or the verifier's log), empty
  /// when nothing did.
  std::string load(Compile compile);
  /// The same with a filter, which must outlive the runs.
  std::string load(const cbpfc::Filter& filter);

  /// Runs the fragment over `packet` into `value`.  Requires: load().
  /// Returns as load().
  std::string run(std::span<const std::uint8_t> packet, std::uint32_t& value);

 private:
  std::string load(bool skip);

  XdpRunner* runner_;
  Configuration configuration_;
  bool embedded_;
  Compile compile_;
  xdpcap::UniqueFd plain_;
  xdpcap::UniqueFd skip_;
};

}  // namespace differential
