// SPDX-License-Identifier: BSD-3-Clause
//
// What the proofs are about: verify/data/filters.txt, and sizes that the environment can change.

#pragma once

#include <cbpfc/pcap_filter.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace cbpfc::prove {

inline std::vector<std::string> expressions() {
  std::vector<std::string> lines;
  std::ifstream file(XDPCAP_TEST_DATA "/filters.txt");
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) {
      lines.push_back(line);
    }
  }
  return lines;
}

/// Requires: a valid expression.
inline Filter compile(const std::string& expression) {
  return Filter::decode(compile_expression(expression).value(), Accept::Compiler).value();
}

/// A number from the environment, to run more than by default.
inline std::uint64_t setting(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

}  // namespace cbpfc::prove
