// SPDX-License-Identifier: BSD-3-Clause

#include "guard/target_watch.h"

#include <fmt/format.h>

#include <algorithm>

namespace xdpcap {
namespace {

constexpr int kLooksBetweenSearches = 10;

std::string text_of(const ProgramName& program) {
  return program.name.empty() ? fmt::format("program {}", program.id)
                              : fmt::format("program {} ({})", program.id, program.name);
}

template <typename Items>
auto find_ifindex(const Items& items, std::uint32_t ifindex) {
  return std::ranges::find_if(items, [ifindex](const auto& one) { return one.ifindex == ifindex; });
}

void describe_lost(const TargetPlace& place, const std::vector<Interface>& interfaces,
                   std::vector<std::string>& sentences) {
  const bool exists = find_ifindex(interfaces, place.ifindex) != interfaces.end();
  sentences.push_back(
      exists
          ? fmt::format("{} does not run {} any more", place.interface, text_of(place.program))
          : fmt::format("{}, which ran {}, is gone: deleted, or moved to another network namespace",
                        place.interface, text_of(place.program)));
}

void describe_kept(const TargetPlace& before, const TargetPlace& now,
                   std::vector<std::string>& sentences) {
  if (before.interface != now.interface) {
    sentences.push_back(fmt::format("{} is called {} now", before.interface, now.interface));
  }
  if (before.state != now.state) {
    sentences.push_back(fmt::format("{} is {} now", now.interface, name(now.state)));
  }
  if (before.program.id != now.program.id) {
    sentences.push_back(fmt::format("{} runs {} now, in place of {}", now.interface,
                                    text_of(now.program), text_of(before.program)));
  }
}

bool is_any_up(const std::vector<TargetPlace>& places) {
  return std::ranges::any_of(
      places, [](const TargetPlace& place) { return place.state == InterfaceState::Up; });
}

}  // namespace

std::vector<TargetPlace> places_of(const std::vector<HookUser>& users) {
  std::vector<TargetPlace> places;
  for (const HookUser& user : users) {
    for (const UserInterface& interface : user.interfaces) {
      places.push_back({.ifindex = interface.ifindex,
                        .interface = interface.name,
                        .state = interface.state,
                        .running_id = interface.via.id != 0 ? interface.via.id : user.program.id,
                        .program = user.program});
    }
  }
  return places;
}

std::vector<std::string> describe_changes(const std::vector<TargetPlace>& before,
                                          const std::vector<TargetPlace>& now,
                                          const std::vector<Interface>& interfaces) {
  std::vector<std::string> sentences;
  for (const TargetPlace& place : before) {
    const auto kept = find_ifindex(now, place.ifindex);
    if (kept == now.end()) {
      describe_lost(place, interfaces, sentences);
    } else {
      describe_kept(place, *kept, sentences);
    }
  }
  for (const TargetPlace& place : now) {
    if (find_ifindex(before, place.ifindex) == before.end()) {
      sentences.push_back(
          fmt::format("{} runs {}, which uses the hook", place.interface, text_of(place.program)));
    }
  }
  if (is_any_up(before) && !is_any_up(now)) {
    sentences.emplace_back(
        "no interface of this network namespace that is up runs a program that uses the hook; the capture goes on, and "
        "sees packets when one does");
  }
  return sentences;
}

std::optional<std::vector<TargetPlace>> TargetWatch::find_places() const {
  const Result<HookFacts> facts = hook_facts(hook_);
  if (!facts || !facts->users) {
    return std::nullopt;
  }
  return places_of(*facts->users);
}

std::vector<std::string> TargetWatch::look() {
  const Result<std::vector<Interface>> all = all_interfaces();
  if (is_blind_ || !all) {
    return {};
  }
  std::vector<Interface> interfaces = *all;
  std::erase_if(interfaces, [](const Interface& interface) { return interface.xdp.empty(); });
  const bool is_time = looks_++ % kLooksBetweenSearches == 0;
  if (places_ && !is_time && interfaces == interfaces_) {
    return {};
  }
  interfaces_ = std::move(interfaces);
  std::optional<std::vector<TargetPlace>> now = find_places();
  if (!now) {
    is_blind_ = !places_;
    return {};
  }
  std::vector<std::string> sentences;
  if (places_ && *places_ != *now) {
    sentences = describe_changes(*places_, *now, *all);
  }
  places_ = std::move(now);
  return sentences;
}

}  // namespace xdpcap
