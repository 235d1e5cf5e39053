// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/inspect/target_watch.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

namespace xdpcap {
namespace {

constexpr int kLooksBetweenSearches = 10;

std::string name_of(const ProgramName& program) {
  return program.name.empty() ? fmt::format("program {}", program.id)
                              : fmt::format("program {} ({})", program.id, program.name);
}

bool is_among(const std::vector<Interface>& interfaces, std::uint32_t ifindex) {
  return std::ranges::find(interfaces, ifindex, &Interface::ifindex) != interfaces.end();
}

std::string describe_lost(const TargetInterface& place, const std::vector<Interface>& interfaces) {
  return is_among(interfaces, place.ifindex)
             ? fmt::format("{} does not run {} any more", place.interface, name_of(place.program))
             : fmt::format(
                   "{}, which ran {}, is gone: deleted, or moved to another network namespace",
                   place.interface, name_of(place.program));
}

std::string describe_state(const TargetInterface& place) {
  return place.state == InterfaceState::NoCarrier
             ? fmt::format("{} has no carrier now", place.interface)
             : fmt::format("{} is {} now", place.interface, name(place.state));
}

void describe_kept(const TargetInterface& before, const TargetInterface& now,
                   std::vector<std::string>& sentences) {
  if (before.interface != now.interface) {
    sentences.push_back(fmt::format("{} is called {} now", before.interface, now.interface));
  }
  if (before.state != now.state) {
    sentences.push_back(describe_state(now));
  }
  if (before.program.id != now.program.id) {
    sentences.push_back(fmt::format("{} runs {} now, in place of {}", now.interface,
                                    name_of(now.program), name_of(before.program)));
  }
}

// A place and what has become of it: it runs the same program, or if none of `now` does, one that is new on its interface.
struct Pair {
  const TargetInterface* before;
  const TargetInterface* now;
};

std::vector<Pair> pair_up(const std::vector<TargetInterface>& before,
                          const std::vector<TargetInterface>& now) {
  std::vector<Pair> pairs;
  const auto is_paired = [&](const TargetInterface& place) {
    return std::ranges::any_of(
        pairs, [&](const Pair& pair) { return pair.before == &place || pair.now == &place; });
  };
  for (const bool wants_same_program : {true, false}) {
    for (const TargetInterface& place : before) {
      const auto found = std::ranges::find_if(now, [&](const TargetInterface& other) {
        return place.ifindex == other.ifindex && !is_paired(other) &&
               (!wants_same_program || place.program.id == other.program.id);
      });
      if (!is_paired(place) && found != now.end()) {
        pairs.push_back({.before = &place, .now = &*found});
      }
    }
  }
  return pairs;
}

bool is_any_up(const std::vector<TargetInterface>& places) {
  return std::ranges::any_of(
      places, [](const TargetInterface& place) { return place.state == InterfaceState::Up; });
}

}  // namespace

std::vector<TargetInterface> target_interfaces(const std::vector<HookUser>& users) {
  std::vector<TargetInterface> places;
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

std::vector<std::string> describe_changes(const std::vector<TargetInterface>& before,
                                          const std::vector<TargetInterface>& now,
                                          const std::vector<Interface>& interfaces) {
  std::vector<std::string> sentences;
  const std::vector<Pair> pairs = pair_up(before, now);
  for (const TargetInterface& place : before) {
    const auto pair = std::ranges::find(pairs, &place, &Pair::before);
    if (pair == pairs.end()) {
      sentences.push_back(describe_lost(place, interfaces));
    } else {
      describe_kept(place, *pair->now, sentences);
    }
  }
  for (const TargetInterface& place : now) {
    if (std::ranges::find(pairs, &place, &Pair::now) == pairs.end()) {
      sentences.push_back(
          fmt::format("{} runs {}, which uses the hook", place.interface, name_of(place.program)));
    }
  }
  if (is_any_up(before) && !is_any_up(now)) {
    sentences.emplace_back(
        "no interface of this network namespace that is up runs a program that uses the hook; the capture goes on, and "
        "sees packets when one does");
  }
  // Of several programs on an interface each would tell of it.
  std::vector<std::string> once;
  std::ranges::copy_if(sentences, std::back_inserter(once), [&](const std::string& sentence) {
    return std::ranges::find(once, sentence) == once.end();
  });
  return once;
}

std::optional<std::vector<TargetInterface>> TargetWatch::find_interfaces() const {
  const Result<HookFacts> facts = hook_facts(hook_);
  if (!facts || !facts->users) {
    return std::nullopt;
  }
  return target_interfaces(*facts->users);
}

std::vector<std::string> TargetWatch::look() {
  const Result<std::vector<Interface>> all = all_interfaces();
  if (is_blind_ || !all) {
    return {};
  }
  std::vector<Interface> interfaces = *all;
  std::erase_if(interfaces, [](const Interface& interface) { return interface.xdp.empty(); });
  const bool is_time = looks_++ % kLooksBetweenSearches == 0;
  if (targets_ && !is_time && interfaces == interfaces_) {
    return {};
  }
  interfaces_ = std::move(interfaces);
  std::optional<std::vector<TargetInterface>> now = find_interfaces();
  if (!now) {
    is_blind_ = !targets_;
    return {};
  }
  std::vector<std::string> sentences;
  if (targets_ && *targets_ != *now) {
    sentences = describe_changes(*targets_, *now, *all);
  }
  targets_ = std::move(now);
  return sentences;
}

}  // namespace xdpcap
