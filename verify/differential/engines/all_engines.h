// SPDX-License-Identifier: BSD-3-Clause
//
// Every engine there is, with one filter loaded.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "verify/differential/engines/agreement.h"
#include "verify/differential/engines/ebpf_engine.h"
#include "verify/differential/engines/engines.h"

namespace differential {

/// All engines.  The constructor enters a new network namespace.
///
/// Plain fragments of programs with more than kMaxClassicInsns instructions, which the kernel would refuse
/// as classic programs, are not loaded: the verifier gives up after a sequence of 8,192 jumps.
class Engines {
 public:
  Engines();

  /// As CheapEngines.
  std::string load(const cbpfc::Filter& filter);
  std::string run(std::span<const std::uint8_t> packet);

  /// Those that need no kernel, with the same filter.
  CheapEngines& cheap() { return cheap_; }

 private:
  bool runs(const EbpfEngine& engine) const;

  CheapEngines cheap_;
  XdpRunner runner_;
  std::vector<EbpfEngine> fragments_;
  KernelSocket kernel_;
  const cbpfc::Filter* filter_ = nullptr;
  bool kernel_attached_ = false;
  bool is_long_ = false;
};

}  // namespace differential
