// SPDX-License-Identifier: BSD-3-Clause
//
// Finds things that lie in a vector by what they are: a hash table of their places.

#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace cbpfc::optimizer {

inline std::uint64_t mix(std::uint64_t seed, std::uint64_t more) {
  seed = (seed ^ more) * 0x9e3779b97f4a7c15ULL;
  return seed ^ seed >> 29;
}

class NumberTable {
 public:
  /// The number added with `hash` for which `is_it` holds; `number`, which is added, if there is none.
  template <typename F>
  std::uint32_t find_or_add(std::uint64_t hash, std::uint32_t number, F&& is_it) {
    if (2 * (count_ + 1) > slots_.size()) {
      grow();
    }
    for (std::size_t i = hash & mask_;; i = (i + 1) & mask_) {
      Slot& slot = slots_[i];
      if (slot.number == kFree) {
        slot = {.hash = hash, .number = number};
        ++count_;
        return number;
      }
      if (slot.hash == hash && is_it(slot.number)) {
        return slot.number;
      }
    }
  }

 private:
  static constexpr std::uint32_t kFree = 0xffffffff;
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t number = kFree;
  };

  void grow() {
    const std::vector<Slot> old =
        std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 64 : 2 * slots_.size()));
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old) {
      std::size_t i = slot.hash & mask_;
      while (slot.number != kFree && slots_[i].number != kFree) {
        i = (i + 1) & mask_;
      }
      if (slot.number != kFree) {
        slots_[i] = slot;
      }
    }
  }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
  std::size_t count_ = 0;
};

}  // namespace cbpfc::optimizer
