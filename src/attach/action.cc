// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: tests/unit/attach/action_test.cc.

#include "attach/action.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace xdpcap {
namespace {

constexpr std::array<std::string_view, kActions.size()> kNames = {
    "XDPAborted", "XDPDrop", "XDPPass", "XDPTx", "XDPRedirect"};

constexpr std::string_view kPrefix = "XDP";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_in_any_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

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
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error == std::errc() && end == word.data() + word.size() && number < kActions.size()) {
    return kActions[number];
  }
  return fail(
      Errc::InvalidArgument,
      fmt::format("unknown action \"{}\": actions are aborted (0), drop (1), pass (2), tx (3) "
                  "and redirect (4)",
                  word));
}

}  // namespace

std::string_view name(Action action) {
  return kNames[index(action)];
}

Result<std::vector<Action>> parse_actions(std::string_view list) {
  std::array<bool, kActions.size()> wanted{};
  for (bool more = true; more;) {
    const std::size_t comma = list.find(',');
    wanted[index(TRY(parse_action(trim(list.substr(0, comma)))))] = true;
    more = comma != std::string_view::npos;
    list.remove_prefix(more ? comma + 1 : 0);
  }
  std::vector<Action> actions;
  std::ranges::copy_if(kActions, std::back_inserter(actions),
                       [&wanted](Action action) { return wanted[index(action)]; });
  return actions;
}

}  // namespace xdpcap
