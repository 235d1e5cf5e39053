// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: xdpcap/tests/command/action_list_test.cc.

#include "xdpcap/command/action_list.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/numbers.h"
#include "base/words.h"

namespace xdpcap::cli {
namespace {

constexpr std::string_view kPrefix = "XDP";

Result<Action> parse_action(std::string_view word) {
  std::string_view rest = word;
  if (equal_in_any_case(rest.substr(0, kPrefix.size()), kPrefix)) {
    rest.remove_prefix(kPrefix.size());
    rest.remove_prefix(rest.starts_with('_') ? 1 : 0);
  }
  for (const Action action : kActions) {
    if (equal_in_any_case(rest, name(action).substr(kPrefix.size()))) {
      return action;
    }
  }
  if (const Result<std::uint64_t> number = parse_number(word, 0, kMostActions - 1)) {
    return action_of(*number);
  }
  return fail(
      Errc::InvalidArgument,
      fmt::format("unknown action \"{}\": actions are aborted (0), drop (1), pass (2), tx (3), "
                  "redirect (4) and numbers up to {}",
                  word, kMostActions - 1));
}

}  // namespace

Result<std::vector<Action>> parse_actions(std::string_view list) {
  std::vector<Action> actions;
  for (bool more = true; more;) {
    const std::size_t comma = list.find(',');
    const Action action = TRY(parse_action(trim(list.substr(0, comma))));
    if (std::ranges::find(actions, action) == actions.end()) {
      actions.push_back(action);
    }
    more = comma != std::string_view::npos;
    list.remove_prefix(more ? comma + 1 : 0);
  }
  return actions;
}

}  // namespace xdpcap::cli
