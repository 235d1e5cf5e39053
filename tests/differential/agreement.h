// SPDX-License-Identifier: BSD-3-Clause
//
// What it means that the engines agree, and the one table of where they need not.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <span>
#include <string>

#include "differential/ebpf_engine.h"
#include "differential/engines.h"

namespace differential {

/// The engines with one filter loaded.
class Engines {
 public:
  /// Loads `filter` everywhere.  Returns what went wrong, empty when nothing did.
  std::string load(const cbpfc::Filter& filter);

  /// Runs `packet` through all engines.  Returns how they disagree, empty when they do not.
  std::string run(std::span<const std::uint8_t> packet);

 private:
  EbpfEngine ebpf_;
  KernelSocket kernel_;
  std::vector<cbpfc::RawInsn> raw_;
  const cbpfc::Filter* filter_ = nullptr;
  bool kernel_attached_ = false;
  enum class Loaded : std::uint8_t { Nothing, Plain, Skip } loaded_ = Loaded::Nothing;
};

}  // namespace differential
