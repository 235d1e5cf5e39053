// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/hook/value_flow.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace xdpcap {
namespace {

using enum Value::Kind;

/// Where a symbol comes from.  Different numbers for different origins: 24 bits of instruction are enough (a program has at
/// most a million), and places are registers or offsets within the 512 bytes of stack.
enum class Origin : std::uint8_t { Instruction, Meeting };

constexpr unsigned kOriginShift = 60;
constexpr unsigned kPointShift = 16;

Value symbol_of(Origin origin, std::size_t point, std::size_t place) {
  return {.kind = Symbol,
          .is_shifted = false,
          .number = (std::uint64_t{static_cast<std::uint8_t>(origin)} << kOriginShift) |
                    (static_cast<std::uint64_t>(point) << kPointShift) | place};
}

/// Slots of the stack as places behind the registers.
std::size_t place_of_slot(std::int64_t offset) {
  constexpr std::int64_t kStackBytes = 512;
  return ValueState::kPlaces + static_cast<std::size_t>(offset + kStackBytes);
}

}  // namespace

bool is_same(const Value& a, const Value& b) {
  return !a.is(Unknown) && a == b;
}

bool is_different(const Value& a, const Value& b) {
  return a.is(Constant) && b.is(Constant) && a.number != b.number;
}

std::optional<std::size_t> meeting_point(const Value& value) {
  constexpr std::uint64_t kPointMask = (std::uint64_t{1} << (kOriginShift - kPointShift)) - 1;
  const bool is_of_meeting =
      value.kind == Symbol &&
      value.number >> kOriginShift == static_cast<std::uint64_t>(Origin::Meeting);
  return is_of_meeting ? std::optional<std::size_t>((value.number >> kPointShift) & kPointMask)
                       : std::nullopt;
}

template <typename Use>
void ValueState::for_each(const Use& use) {
  for (std::size_t place = 0; place < kPlaces; ++place) {
    use(place, places_[place]);
  }
  for (auto& [offset, slot] : stack_) {
    use(place_of_slot(offset), slot.value);
  }
}

void ValueState::set_new(std::size_t place, std::size_t point) {
  const Value made = symbol_of(Origin::Instruction, point, place);
  // In a loop, places may still hold what this instruction made the time before.  A name for that could be one for what it
  // made the time before that.
  for_each([&](std::size_t, Value& value) {
    if (value.kind == Symbol && value.number == made.number) {
      value = {};
    }
  });
  places_[place] = made;
}

void ValueState::store(std::int64_t offset, unsigned size_bytes, const Value& value) {
  const std::int64_t end = offset + size_bytes;
  std::erase_if(stack_, [&](const auto& entry) {
    return entry.first < end && offset < entry.first + entry.second.size_bytes;
  });
  constexpr std::int64_t kLowest = -512;
  // A narrower value is not the low 32 bits of what was stored.
  if (size_bytes >= sizeof(std::uint32_t) && offset >= kLowest && end <= 0) {
    stack_[offset] = {.size_bytes = size_bytes, .value = value};
  }
}

void ValueState::load(std::size_t place, std::int64_t offset, unsigned size_bytes,
                      std::size_t point) {
  const auto slot = stack_.find(offset);
  if (slot != stack_.end() && slot->second.size_bytes == size_bytes) {
    const Value& value = slot->second.value;
    const bool is_number = value.is(Constant) || value.is(Symbol);
    if (is_number || size_bytes > sizeof(std::uint32_t)) {
      places_[place] = value;
    } else {
      set_new(place, point);
    }
    return;
  }
  set_new(place, point);
  store(offset, size_bytes, places_[place]);
}

void ValueState::refine(const Value& symbol, std::uint32_t constant) {
  if (!symbol.is(Symbol)) {
    return;
  }
  const Value wanted = symbol;  // it may be one of those that change
  for_each([&](std::size_t, Value& value) {
    if (value == wanted) {
      value = {.kind = Constant, .is_shifted = false, .number = constant};
    }
  });
}

bool ValueState::merge(const ValueState& other, std::size_t point) {
  const ValueState before = *this;
  std::erase_if(stack_, [&](const auto& entry) {
    const auto same = other.stack_.find(entry.first);
    return same == other.stack_.end() || same->second.size_bytes != entry.second.size_bytes;
  });
  // Places with the same two values stay equal.  The first of them names their symbol, so that names stay the same when
  // the same is merged again; symbols of this meeting are given anew each time, since those that were equal may part.
  using Key = std::tuple<Value::Kind, bool, std::uint64_t>;
  const auto key_of = [](const Value& value) {
    return Key(value.kind, value.is_shifted, value.number);
  };
  std::map<std::pair<Key, Key>, std::size_t> first_of;
  for_each([&](std::size_t place, Value& value) {
    const Value theirs =
        place < kPlaces ? other.places_[place]
                        : other.stack_.at(static_cast<std::int64_t>(place - kPlaces) - 512).value;
    if (value.is(Unknown) || theirs.is(Unknown)) {
      value = {};
    } else if (value != theirs || meeting_point(value) == point) {
      const std::size_t first =
          first_of.try_emplace({key_of(value), key_of(theirs)}, place).first->second;
      value = symbol_of(Origin::Meeting, point, first);
    }
  });
  return places_ != before.places_ || stack_ != before.stack_;
}

}  // namespace xdpcap
