// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/all_engines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace differential {

Engines::Engines() {
  for (const Configuration& configuration : configurations()) {
    fragments_.emplace_back(runner_, configuration);
  }
}

bool Engines::runs(const EbpfEngine& engine) const {
  return !is_long_ || engine.configuration().options.optimize;
}

std::string Engines::load(const cbpfc::Filter& filter) {
  filter_ = &filter;
  if (std::string error = cheap_.load(filter); !error.empty()) {
    return error;
  }
  is_long_ = filter.insns().size() > cbpfc::kMaxClassicInsns;
  for (EbpfEngine& engine : fragments_) {
    if (!runs(engine)) {
      continue;
    }
    if (std::string error = engine.load(filter); !error.empty()) {
      return fmt::format("{} eBPF: {}", engine.configuration().name, error);
    }
  }
  kernel_attached_ = false;
  if (is_long_ || filter.first_backward_jump()) {
    return {};  // what the compiler takes and the kernel does not
  }
  const int refusal = kernel_.attach(filter.encode());
  // A filter whose translation outgrows the socket's net.core.optmem_max cannot be attached, though
  // it is valid; the other engines still run it.
  kernel_attached_ = refusal == 0;
  return refusal == 0 || refusal == ENOMEM
             ? std::string()
             : fmt::format("SO_ATTACH_FILTER refuses with errno {}", refusal);
}

std::string Engines::run(std::span<const std::uint8_t> packet) {
  if (std::string error = cheap_.run(packet); !error.empty()) {
    return error;
  }
  const Expectation expected = expect(*filter_, packet);
  for (EbpfEngine& engine : fragments_) {
    if (!runs(engine)) {
      continue;
    }
    if (std::string error = run_fragment(engine, "in the kernel", packet, expected.value);
        !error.empty()) {
      return error;
    }
  }
  if (!kernel_attached_ || !expected.kernel) {
    return {};
  }
  const std::optional<std::uint32_t> delivered = kernel_.run(packet);
  const std::uint32_t trimmed =
      std::min<std::uint32_t>(expected.value, static_cast<std::uint32_t>(packet.size()));
  return delivered.has_value() == (expected.value != 0) && delivered.value_or(0) == trimmed
             ? std::string()
             : disagreement("the kernel's classic BPF", delivered.value_or(0), trimmed, packet);
}

}  // namespace differential
