// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/hook/tail_call_use.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "xdpcap/hook/value_step.h"

namespace xdpcap {
namespace {

using cbpfc::ebpf::Insn;
using Ending = TailCallUse::Ending;
using enum Value::Kind;

constexpr std::size_t kArguments = 5;
/// Calls within calls that the kernel allows.
constexpr int kMostFrames = 8;

/// What is known before each instruction that was reached.
using States = std::map<std::size_t, ValueState>;
/// What a function is given, as far as it is a map or a constant.
using Arguments = std::array<Value, kArguments>;

struct Use {
  std::size_t point = 0;
  ValueState state;  ///< before the call
};

TailCallUse lost() {
  return {.ending = Ending::Unclear,
          .found = "is too complex to see what it does when a slot is empty"};
}

/// The arguments that all calls of a function have in common.
Arguments common(const std::vector<Arguments>& calls) {
  Arguments result{};
  for (std::size_t i = 0; !calls.empty() && i < kArguments; ++i) {
    const Value& first = calls.front()[i];
    const bool is_common = std::ranges::all_of(
        calls, [&](const Arguments& arguments) { return arguments[i] == first; });
    if (is_common && (first.is(Map) || first.is(Constant))) {
      result[i] = first;
    }
  }
  return result;
}

/// What holds on the way to a successor.
ValueState refined(const ValueState& state, const Successor& successor) {
  ValueState result = state;
  if (successor.known) {
    result.refine(successor.known->first, successor.known->second);
  }
  return result;
}

class Program {
 public:
  Program(std::span<const Insn> insns, std::uint32_t map_id) : insns_(insns), map_id_(map_id) {}

  std::vector<TailCallUse> tail_calls() {
    if (!find_functions() || !settle_arguments()) {
      return {lost()};
    }
    std::vector<TailCallUse> found;
    for (const auto& [start, arguments] : functions_) {
      States states;
      if (!walk_function(start, states)) {
        return {lost()};
      }
      for (const auto& [point, state] : states) {
        const Value& map = state[kMapArgument];
        if (is_tail_call(insns_[point], state) && (!map.is(Map) || map.number == map_id_)) {
          found.push_back(judge({.point = point, .state = state}, start, states));
        }
      }
    }
    return found;
  }

 private:
  bool is_inside(std::size_t point) const { return point < insns_.size(); }

  bool find_functions() {
    functions_[0] = {};
    for (std::size_t point = 0; is_inside(point); ++point) {
      const Insn& insn = insns_[point];
      if (is_function_address(insn)) {
        const std::size_t start = after_jump(point, insn.immediate);
        functions_[start] = {};
        callbacks_.insert(start);
      } else if (is_function_call(insn)) {
        functions_[after_jump(point, insn.offset)] = {};
      }
      if (is_wide(insn)) {
        ++point;
      }
    }
    // The kernel cuts the distance to a function to 16 bits.
    constexpr std::size_t kMostWithFunctions = 32767;
    return is_inside(functions_.rbegin()->first) &&
           (functions_.size() == 1 || insns_.size() <= kMostWithFunctions);
  }

  /// Finds which maps and constants functions are given by every caller.
  bool settle_arguments() {
    for (int round = 0; functions_.size() > 1 && round < kMostFrames; ++round) {
      std::map<std::size_t, std::vector<Arguments>> calls;
      for (const auto& [start, arguments] : functions_) {
        States states;
        if (!walk_function(start, states)) {
          return false;
        }
        for (const auto& [point, state] : states) {
          if (is_function_call(insns_[point])) {
            Arguments given;
            for (std::size_t i = 0; i < kArguments; ++i) {
              given[i] = state[i + 1];
            }
            calls[after_jump(point, insns_[point].offset)].push_back(given);
          }
        }
      }
      const std::map<std::size_t, Arguments> before = functions_;
      for (auto& [start, arguments] : functions_) {
        arguments = callbacks_.contains(start) ? Arguments{} : common(calls[start]);
      }
      if (functions_ == before) {
        return true;
      }
    }
    return functions_.size() == 1;
  }

  bool walk_function(std::size_t start, States& states) {
    ValueState state;
    const Arguments& arguments = functions_.at(start);
    for (std::size_t i = 0; i < kArguments; ++i) {
      if (arguments[i].is(Unknown)) {
        state.set_new(i + 1, insns_.size() + start);  // made by no instruction of the program
      } else {
        state.set(i + 1, arguments[i]);
      }
    }
    state.set(ValueState::kFrame, {.kind = Frame, .is_shifted = false, .number = 0});
    return walk(start, state, states, [](std::size_t, const ValueState&) { return true; });
  }

  /// Walks every way from `start` until the states settle.  `visit(point, state)` is asked before each instruction; false
  /// means that this way is not followed further.  Returns false if the program cannot be followed.
  template <typename Visit>
  bool walk(std::size_t start, const ValueState& at_start, States& states, const Visit& visit) {
    states[start] = at_start;
    std::set<std::size_t> open = {start};
    while (!open.empty()) {
      const std::size_t point = *open.begin();
      open.erase(open.begin());
      ValueState state = states.at(point);
      if (!visit(point, state)) {
        continue;
      }
      const std::optional<std::vector<Successor>> successors = step(insns_, point, state);
      if (!successors || ++steps_ > kMostSteps) {
        return false;
      }
      for (const Successor& successor : *successors) {
        if (!is_inside(successor.point)) {
          return false;
        }
        const ValueState next = refined(state, successor);
        const auto [known, is_new] = states.try_emplace(successor.point, next);
        if (is_new || known->second.merge(next, successor.point)) {
          open.insert(successor.point);
        }
      }
    }
    return true;
  }

  /// Judges a tail call of the function at `start`; `states` are those of the walk that came to it.  An unclear one whose index
  /// is one value or another, depending on the way, is judged for each way by itself.
  TailCallUse judge(const Use& use, std::size_t start, const States& states) {
    const TailCallUse result = follow(use);
    const std::optional<std::size_t> meeting = meeting_point(use.state[kIndexArgument]);
    // The function's start is also come to from outside, with a state that is not kept.
    if (result.ending != Ending::Unclear || !meeting || *meeting == start) {
      return result;
    }
    std::optional<TailCallUse> worst;
    for (const auto& [point, before] : states) {
      ValueState state = before;
      const std::optional<std::vector<Successor>> successors = step(insns_, point, state);
      for (const Successor& successor : successors.value_or(std::vector<Successor>())) {
        if (successor.point != *meeting) {
          continue;
        }
        const std::optional<TailCallUse> one =
            judge_from(*meeting, refined(state, successor), use.point);
        if (!one) {
          return result;
        }
        if (!worst || weight(one->ending) > weight(worst->ending)) {
          worst = one;
        }
      }
    }
    return worst.value_or(result);
  }

  /// Judges the tail call at `point` for the ways that come through `start` with this state.  nullopt: it is not known.
  std::optional<TailCallUse> judge_from(std::size_t start, const ValueState& state,
                                        std::size_t point) {
    States states;
    const auto visit = [](std::size_t, const ValueState&) { return true; };
    if (!walk(start, state, states, visit) || !states.contains(point)) {
      return std::nullopt;
    }
    return follow({.point = point, .state = states.at(point)});
  }

  /// Follows a tail call on the way where it fails.
  TailCallUse follow(const Use& use) {
    if (!use.state[kMapArgument].is(Map)) {
      return {.ending = Ending::Unclear,
              .found = "makes a tail call into a map that its instructions do not name"};
    }
    const Value index = use.state[kIndexArgument];
    ValueState state = use.state;
    state.set(ValueState::kIndex, index);
    const std::optional<std::vector<Successor>> after = step(insns_, use.point, state);
    bool does_more = false;
    States states;
    const auto visit = [&](std::size_t point, const ValueState& at) {
      does_more = does_more || is_call(insns_[point]) || writes_elsewhere(insns_[point], at);
      return !does_more;
    };
    if (!after || !is_inside(after->front().point) ||
        !walk(after->front().point, state, states, visit)) {
      return lost();
    }
    const std::string slot = index.is(Constant) ? fmt::format("tail-calls slot {}", index.number)
                                                : "tail-calls a slot whose number it calculates";
    if (does_more) {
      return {.ending = Ending::Unclear,
              .found = slot + ", and does more than return that number if the slot is empty"};
    }
    return judge_exits(states, slot);
  }

  TailCallUse judge_exits(const States& states, const std::string& slot) const {
    TailCallUse result{.ending = Ending::ReturnsIndex,
                       .found = slot + ", and returns that number if the slot is empty"};
    for (const auto& [point, state] : states) {
      const Value& returned = state[0];
      const Value& index = state[ValueState::kIndex];
      if (!is_exit(insns_[point]) || is_same(returned, index)) {
        continue;
      }
      if (is_different(returned, index)) {
        return {.ending = Ending::ReturnsOther,
                .found = fmt::format("tail-calls slot {}, and returns {} if the slot is empty",
                                     index.number, returned.number)};
      }
      result = {.ending = Ending::Unclear,
                .found = slot + ", and does not always return that number if the slot is empty"};
    }
    return result;
  }

  std::span<const Insn> insns_;
  std::uint32_t map_id_;
  std::map<std::size_t, Arguments> functions_;  ///< by first instruction
  std::set<std::size_t> callbacks_;             ///< functions that the kernel calls, too
  std::size_t steps_ = 0;
};

}  // namespace

std::vector<TailCallUse> tail_calls_into(std::span<const Insn> insns, std::uint32_t map_id) {
  return insns.empty() ? std::vector<TailCallUse>() : Program(insns, map_id).tail_calls();
}

}  // namespace xdpcap
