// SPDX-License-Identifier: BSD-3-Clause
//
// Runs sets of filters, compiled to one fragment, interpreted and in the kernel: the number of the first
// filter that matches, as running one after the other gives it.

#pragma once

#include <cbpfc/cbpf.h>

#include <span>
#include <string>
#include <vector>

#include "verify/differential/engines/ebpf_engine.h"
#include "verify/differential/engines/engines.h"
#include "verify/differential/engines/interpreted_engine.h"

namespace differential {

class SetEngines {
 public:
  /// Enters a new network namespace.
  SetEngines();

  /// What a set gives: counts from 1, 0 for none.
  static std::uint32_t expected(std::span<const cbpfc::Filter> filters, const Packet& packet);

  /// Runs `packets` interpreted, and every `kernel_step`th in the kernel.
  /// Returns how they disagree, with as few of the filters as do, empty when they agree.
  std::string try_set(const std::vector<cbpfc::Filter>& filters, const std::vector<Packet>& packets,
                      std::size_t kernel_step);

 private:
  std::string run(std::span<const cbpfc::Filter> filters, const std::vector<Packet>& packets,
                  std::size_t kernel_step);

  XdpRunner runner_;
  std::vector<InterpretedEngine> interpreted_;
  std::vector<EbpfEngine> kernel_;
};

}  // namespace differential
