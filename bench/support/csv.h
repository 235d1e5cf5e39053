// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <string>

namespace bench {

/// A cell of CSV that may have commas and quotes in it.
inline std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    result += c == '"' ? "\"\"" : std::string(1, c);
  }
  return result + "\"";
}

}  // namespace bench
