// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: xdpcap/tests/hook/action_test.cc.

#include "xdpcap/kernel/action.h"

#include <algorithm>

#include "base/text.h"

namespace xdpcap {
namespace {

constexpr ByAction<std::string_view> kNames = {
    "XDPAborted", "XDPDrop",   "XDPPass",   "XDPTx",     "XDPRedirect", "action 5",  "action 6",
    "action 7",   "action 8",  "action 9",  "action 10", "action 11",   "action 12", "action 13",
    "action 14",  "action 15", "action 16", "action 17", "action 18",   "action 19", "action 20",
    "action 21",  "action 22", "action 23", "action 24", "action 25",   "action 26", "action 27",
    "action 28",  "action 29", "action 30", "action 31"};

}  // namespace

std::vector<Action> first_actions(std::size_t count) {
  std::vector<Action> actions;
  for (std::size_t number = 0; number < std::min(count, kMostActions); ++number) {
    actions.push_back(action_of(number));
  }
  return actions;
}

std::string_view name(Action action) {
  return kNames[index(action)];
}

std::string short_name(Action action) {
  constexpr std::string_view kPrefix = "XDP";
  std::string result;
  for (const char c : name(action)) {
    if (c != ' ') {
      result += to_lower(c);
    }
  }
  return name(action).starts_with(kPrefix) ? result.substr(kPrefix.size()) : result;
}

}  // namespace xdpcap
