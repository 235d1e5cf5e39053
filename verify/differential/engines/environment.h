// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers that longer runs give to tests: DIFFERENTIAL_SEED and others, each test says which.

#pragma once

#include <cstdint>
#include <cstdlib>

namespace differential {

inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace differential
