// SPDX-License-Identifier: BSD-3-Clause
//
// Runs compiled fragments in the interpreter of eBPF: without a kernel, on packets of every length,
// and stricter than a processor.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "verify/differential/engines/configuration.h"

namespace differential {

class InterpretedEngine {
 public:
  explicit InterpretedEngine(Configuration configuration)
      : configuration_(std::move(configuration)) {}

  const Configuration& configuration() const { return configuration_; }

  /// Compiles and looks for broken promises.  Returns what went wrong, empty when nothing did.
  std::string load(const Compile& compile);
  /// The same with a filter, which must outlive the runs.
  std::string load(const cbpfc::Filter& filter);

  /// Runs the fragment over `packet` into `value`.  Requires: load().  Returns as load().
  std::string run(std::span<const std::uint8_t> packet, std::uint32_t& value);

  std::uint64_t executed_insns() const { return executed_insns_; }  ///< by all runs together

 private:
  Configuration configuration_;
  cbpfc::EbpfOptions options_;
  std::vector<cbpfc::ebpf::Insn> insns_;
  std::uint64_t executed_insns_ = 0;
};

}  // namespace differential
