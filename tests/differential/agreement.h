// SPDX-License-Identifier: BSD-3-Clause
//
// What it means that the engines agree, and the one table of where they need not.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "differential/ebpf_engine.h"
#include "differential/engines.h"
#include "differential/interpreted_engine.h"

namespace differential {

/// What the interpreter says, and who must say the same.
struct Expectation {
  std::uint32_t value = 0;
  bool libpcap = true;
  bool kernel = true;  ///< classic BPF in the kernel
};

Expectation expect(const cbpfc::Filter& filter, std::span<const std::uint8_t> packet);

/// The engines that need no kernel, with one filter loaded: libpcap, and fragments interpreted.
class CheapEngines {
 public:
  CheapEngines();

  /// Compiles `filter`, which must outlive the runs, in every configuration.
  /// Returns what went wrong, empty when nothing did.
  std::string load(const cbpfc::Filter& filter);

  /// Runs `packet` through all engines.  Returns how they disagree, empty when they do not.
  std::string run(std::span<const std::uint8_t> packet);

  const std::vector<InterpretedEngine>& fragments() const { return fragments_; }

 private:
  std::vector<InterpretedEngine> fragments_;
  std::vector<cbpfc::RawInsn> raw_;
  const cbpfc::Filter* filter_ = nullptr;
};

/// All engines.  The constructor enters a new network namespace.
class Engines {
 public:
  Engines();

  /// As CheapEngines.
  std::string load(const cbpfc::Filter& filter);
  std::string run(std::span<const std::uint8_t> packet);

  /// Those that need no kernel, with the same filter.
  CheapEngines& cheap() { return cheap_; }

 private:
  CheapEngines cheap_;
  Runner runner_;
  std::vector<EbpfEngine> fragments_;
  KernelSocket kernel_;
  const cbpfc::Filter* filter_ = nullptr;
  bool kernel_attached_ = false;
};

}  // namespace differential
