// SPDX-License-Identifier: BSD-3-Clause
//
// One value for each enumerator.

#pragma once

#include <array>
#include <cstddef>

namespace bench {

/// An array indexed by an enum whose `N` enumerators count from 0.
template <typename T, std::size_t N, typename Enum>
class PerEnum {
 public:
  T& operator[](Enum index) { return values_[static_cast<std::size_t>(index)]; }
  const T& operator[](Enum index) const { return values_[static_cast<std::size_t>(index)]; }

 private:
  std::array<T, N> values_ = {};
};

}  // namespace bench
