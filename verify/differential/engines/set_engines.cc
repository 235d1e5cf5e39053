// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/set_engines.h"

#include <cbpfc/text.h>

#include "verify/differential/engines/agreement.h"

namespace differential {

SetEngines::SetEngines() {
  for (const Configuration& configuration : configurations()) {
    if (!configuration.is_match_only()) {
      interpreted_.emplace_back(configuration);
      kernel_.emplace_back(runner_, configuration);
    }
  }
}

std::uint32_t SetEngines::expected(std::span<const cbpfc::Filter> filters, const Packet& packet) {
  for (std::uint32_t i = 0; i < filters.size(); ++i) {
    if (expect(filters[i], packet).value != 0) {
      return i + 1;
    }
  }
  return 0;
}

std::string SetEngines::run(std::span<const cbpfc::Filter> filters,
                            const std::vector<Packet>& packets, std::size_t kernel_step) {
  const Compile compile = [&](const Configuration& configuration, std::uint32_t offset) {
    return compile_set_fragment(filters, configuration, offset);
  };
  const auto run_in = [&](auto& engine, const char* where, std::size_t step) {
    std::string failure = engine.load(compile);
    if (!failure.empty()) {
      return std::string(engine.configuration().name) + " eBPF " + where + ": " + failure;
    }
    for (std::size_t i = 0; i < packets.size() && failure.empty(); i += step) {
      failure = run_fragment(engine, where, packets[i], expected(filters, packets[i]));
    }
    return failure;
  };
  for (InterpretedEngine& engine : interpreted_) {
    if (std::string failure = run_in(engine, "interpreted", 1); !failure.empty()) {
      return failure;
    }
  }
  for (EbpfEngine& engine : kernel_) {
    if (std::string failure = run_in(engine, "in the kernel", kernel_step); !failure.empty()) {
      return failure;
    }
  }
  return {};
}

std::string SetEngines::try_set(const std::vector<cbpfc::Filter>& filters,
                                const std::vector<Packet>& packets, std::size_t kernel_step) {
  std::string failure = run(filters, packets, kernel_step);
  if (failure.empty()) {
    return failure;
  }
  std::vector<cbpfc::Filter> few = filters;
  for (std::size_t i = 0; i < few.size();) {
    std::vector<cbpfc::Filter> fewer = few;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    const std::string still = fewer.empty() ? std::string() : run(fewer, packets, 1);
    if (still.empty()) {
      ++i;
    } else {
      few = fewer;
      failure = still;
    }
  }
  for (const cbpfc::Filter& filter : few) {
    failure += "\n" + cbpfc::print_program(filter.encode(), cbpfc::TextForm::OneLine);
  }
  return failure;
}

}  // namespace differential
