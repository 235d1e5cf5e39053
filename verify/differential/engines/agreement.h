// SPDX-License-Identifier: BSD-3-Clause
//
// What it means that the engines agree, and the one table of where they need not; and the engines that
// need no kernel.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "verify/differential/engines/engines.h"
#include "verify/differential/engines/interpreted_engine.h"

namespace differential {

/// What the interpreter says, and who must say the same.
struct Expectation {
  std::uint32_t value = 0;
  bool libpcap = true;
  bool kernel = true;  ///< classic BPF in the kernel
};

Expectation expect(const cbpfc::Filter& filter, std::span<const std::uint8_t> packet);

/// The packet's length and bytes.
std::string packet_text(std::span<const std::uint8_t> packet);

/// What an engine says when it gives another value than it should.
std::string disagreement(std::string_view engine, std::uint32_t value, std::uint32_t wanted,
                         std::span<const std::uint8_t> packet);

/// Runs `packet` through a fragment in an EbpfEngine or InterpretedEngine; `where` names it.
/// Returns how it does not give `value`, empty when it does.
template <typename Engine>
std::string run_fragment(Engine& engine, std::string_view where,
                         std::span<const std::uint8_t> packet, std::uint32_t value) {
  const Configuration& configuration = engine.configuration();
  const std::string name = std::string(configuration.name) + " eBPF " + std::string(where);
  const std::uint32_t wanted = configuration.is_match_only() ? value != 0 : value;
  std::uint32_t given = wanted;
  if (const std::string error = engine.run(packet, given); !error.empty()) {
    return name + ": " + error + ", " + packet_text(packet);
  }
  return given == wanted ? std::string() : disagreement(name, given, wanted, packet);
}

/// The engines that need no kernel, with one filter loaded: libpcap, and fragments interpreted.
class CheapEngines {
 public:
  /// In all configurations, or those given.
  CheapEngines();
  explicit CheapEngines(const std::vector<Configuration>& in);

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

}  // namespace differential
