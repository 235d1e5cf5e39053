// SPDX-License-Identifier: BSD-3-Clause
//
// Random choices, the same for the same seed everywhere.

#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace differential {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::uint64_t bits() { return random_(); }
  std::uint32_t word() { return static_cast<std::uint32_t>(random_()); }
  /// 0 to `bound` - 1; `bound` is at least 1.
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  /// `first` to `last`.
  std::uint32_t between(std::uint32_t first, std::uint32_t last) {
    return first + below(last - first + 1);
  }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  bool percent(std::uint32_t chance) { return below(100) < chance; }

  /// One element of a container with random access that is not empty.
  template <typename Values>
  const auto& pick(const Values& values) {
    return values[below(static_cast<std::uint32_t>(values.size()))];
  }
  template <typename T>
  T pick(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<std::uint32_t>(values.size()))];
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace differential
