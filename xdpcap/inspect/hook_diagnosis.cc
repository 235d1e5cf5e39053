// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/inspect/hook_diagnosis.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "xdpcap/kernel/errors.h"

namespace xdpcap {
namespace {

/// Names that a sentence lists before it says how many more there are.
constexpr std::size_t kMostNames = 4;

/// "a", "a and b", "a, b and c".
std::string all_of(std::span<const std::string> names, std::string_view conjunction = "and") {
  if (names.size() < 2) {
    return names.empty() ? "" : names.front();
  }
  return fmt::format("{} {} {}", fmt::join(names.first(names.size() - 1), ", "), conjunction,
                     names.back());
}

/// The same, shortened if there are more than `most`: "a, b, c and 7 more".
std::string list_of(std::span<const std::string> names, std::size_t most = kMostNames,
                    std::string_view conjunction = "and") {
  if (names.size() <= most) {
    return all_of(names, conjunction);
  }
  std::vector<std::string> shown(names.begin(),
                                 names.begin() + static_cast<std::ptrdiff_t>(most) - 1);
  shown.push_back(fmt::format("{} more", names.size() - shown.size()));
  return all_of(shown, conjunction);
}

/// "XDPDrop or XDPPass": the five of the kernel are never shortened.
std::string any_of(std::span<const Action> actions) {
  std::vector<std::string> names;
  for (const Action action : actions) {
    names.emplace_back(name(action));
  }
  return list_of(names, kActions.size() + 1, "or");
}

std::string text_of(const ProgramName& program) {
  return program.name.empty() ? fmt::format("program {}", program.id)
                              : fmt::format("program {} \"{}\"", program.id, program.name);
}

/// "eth0 (up, native)"; in a sentence about what is wrong, the state is what matters.
std::string text_of(const UserInterface& interface) {
  const std::string via =
      interface.via.id == 0 ? "" : fmt::format(", through {}", text_of(interface.via));
  const std::string space =
      interface.network_namespace.empty()
          ? ""
          : fmt::format(", network namespace {}", interface.network_namespace);
  return fmt::format("{} ({}, {}{}{})", interface.name, name(interface.state), name(interface.mode),
                     space, via);
}

CapturedAction sum(std::span<const CapturedAction> captured) {
  CapturedAction all;
  for (const CapturedAction& one : captured) {
    all.received += one.received;
    all.matched += one.matched;
    all.held_back += one.held_back;
    all.written += one.written;
    all.lost += one.lost;
  }
  return all;
}

std::string captured_actions(const CaptureSituation& situation) {
  std::vector<Action> actions;
  for (const CapturedAction& one : situation.captured) {
    actions.push_back(one.action);
  }
  return any_of(actions);
}

/// "12 XDPPass and 1 XDPTx": the actions that occurred, all of them.
template <typename Counted>
std::string received_actions(std::span<const Counted> counted) {
  std::vector<std::string> occurred;
  for (const Counted& one : counted) {
    if (one.received != 0) {
      occurred.push_back(fmt::format("{} {}", one.received, name(one.action)));
    }
  }
  return all_of(occurred);
}

/// Of the actions that are not captured; empty if there were no packets with them, or they are not counted.
std::string other_actions(const CaptureSituation& situation) {
  return situation.others.has_value() ? received_actions<OtherAction>(*situation.others) : "";
}

constexpr std::string_view kUnseen =
    "packets that the program returns without xdpcap_exit() do not reach the hook";

/// What is known of the programs behind a hook.
struct Users {
  std::string names;                      ///< "program 31 "firewall""
  std::string run;                        ///< the verb: "runs" or "run"
  std::vector<UserInterface> interfaces;  ///< of all of them
  std::vector<std::uint32_t> ifindexes_elsewhere;
};

Users all_users(std::span<const HookUser> users) {
  Users all;
  std::vector<std::string> names;
  for (const HookUser& user : users) {
    names.push_back(text_of(user.program));
    all.interfaces.insert(all.interfaces.end(), user.interfaces.begin(), user.interfaces.end());
    all.ifindexes_elsewhere.insert(all.ifindexes_elsewhere.end(), user.ifindexes_elsewhere.begin(),
                                   user.ifindexes_elsewhere.end());
  }
  all.names = list_of(names);
  all.run = users.size() == 1 ? "runs" : "run";
  return all;
}

/// All of them, or those in one state.
std::string interface_list(const Users& users, std::optional<InterfaceState> state = {}) {
  std::vector<std::string> names;
  for (const UserInterface& interface : users.interfaces) {
    if (!state.has_value() || interface.state == *state) {
      names.push_back(text_of(interface));
    }
  }
  return list_of(names);
}

/// "; in a network namespace that cannot be seen a link keeps it on interface number 3".
std::string elsewhere(const Users& users) {
  std::vector<std::string> numbers;
  for (const std::uint32_t ifindex : users.ifindexes_elsewhere) {
    numbers.push_back(std::to_string(ifindex));
  }
  return numbers.empty()
             ? ""
             : fmt::format(
                   "; in a network namespace that cannot be seen a link keeps it on interface number {}",
                   list_of(numbers));
}

/// Why packets do not reach the hook, as far as facts tell; empty if they should.
std::string obstacle(const HookFacts& facts) {
  if (!facts.is_owned) {
    return "no program owns the hook: none that calls it has been loaded yet";
  }
  if (!facts.users.has_value()) {
    return "";
  }
  if (facts.users->empty()) {
    return "no program uses the hook any more: the one that did was unloaded, and if it was loaded again, it has "
           "another hook; xdpcap -list shows all";
  }
  const Users users = all_users(*facts.users);
  if (users.interfaces.empty()) {
    return fmt::format("{} {} on no interface that can be seen{}", users.names, users.run,
                       elsewhere(users));
  }
  if (interface_list(users, InterfaceState::Up).empty()) {
    return fmt::format("{} {} on no interface that is up, only on {}{}", users.names, users.run,
                       interface_list(users), elsewhere(users));
  }
  return "";
}

/// Why no packet with a captured action reached the hook.
std::string why_nothing_arrived(const CaptureSituation& situation) {
  if (const std::string others = other_actions(situation); !others.empty()) {
    return fmt::format("packets reached the hook, but none with action {}, only {}; {}",
                       captured_actions(situation), others, kUnseen);
  }
  if (situation.facts.has_value()) {
    if (std::string reason = obstacle(*situation.facts); !reason.empty()) {
      return reason;
    }
  }
  const std::string nothing =
      situation.others.has_value()
          ? "no packet reached the hook"
          : fmt::format("no packet with action {} reached the hook", captured_actions(situation));
  const Error* unknown = !situation.facts.has_value()          ? &situation.facts.error()
                         : !situation.facts->users.has_value() ? &situation.facts->users.error()
                                                               : nullptr;
  if (unknown != nullptr) {
    return fmt::format("{}; where its program runs is not known: {}", nothing, unknown->message);
  }
  const Users users = all_users(*situation.facts->users);
  return fmt::format("{}, although {} {} on {}; {}", nothing, users.names, users.run,
                     interface_list(users, InterfaceState::Up), kUnseen);
}

/// Nothing entered the hook: what is in the way as far as facts tell.
std::optional<std::string> why_not_counted(const CaptureSituation& situation) {
  if (!situation.facts.has_value()) {
    return situation.facts.error().message;
  }
  const HookFacts& facts = *situation.facts;
  const bool is_used = !facts.users.has_value() || !facts.users->empty();
  if (facts.is_owned && is_used && situation.proof.has_value() && !situation.proof->is_hook()) {
    return fmt::format("the program array is not shown to be a hook: {}", situation.proof->found);
  }
  std::string reason = obstacle(facts);
  return reason.empty() ? std::nullopt : std::optional(std::move(reason));
}

std::string filter_text(const CaptureSituation& situation) {
  constexpr std::size_t kMostBytes = 100;
  const std::string& filter = situation.filter;
  return filter.empty() || filter.size() > kMostBytes ? "the filter"
                                                      : fmt::format("filter \"{}\"", filter);
}

using Checks = std::vector<HookCheck>;

void check_facts(const CaptureSituation& situation, bool is_reached, Checks& checks) {
  using enum CheckResult;
  constexpr std::string_view kPinned = "the hook is pinned";
  constexpr std::string_view kOwned = "a program owns the hook";
  const auto add = [&checks](CheckResult result, std::string_view looked_at, std::string found,
                             std::string_view advice) {
    checks.push_back({.result = result,
                      .looked_at = std::string(looked_at),
                      .found = std::move(found),
                      .advice = std::string(result == No ? advice : "")});
  };
  if (!situation.facts.has_value()) {
    add(Unknown, kPinned, situation.facts.error().message, "");
    return;
  }
  const HookFacts& facts = *situation.facts;
  add(facts.paths.empty() ? No : Ok, kPinned,
      facts.paths.empty() ? "no pin that this process sees" : "at " + list_of(facts.paths),
      fmt::format("bpftool map pin id {} /sys/fs/bpf/NAME", facts.map_id));
  add(facts.is_owned ? Ok : No, kOwned,
      facts.is_owned ? "one has used it" : "none that calls it has been loaded",
      "load the XDP program that calls it; until then no capture can enter it");
  if (!facts.users.has_value()) {
    add(Unknown, "a program uses the hook", facts.users.error().message, "");
    return;
  }
  const Users users = all_users(*facts.users);
  add(facts.users->empty() ? No : Ok, "a program uses the hook",
      facts.users->empty() ? "none is loaded" : users.names,
      "if the program was loaded again, it has another hook: xdpcap -list shows all");
  if (situation.proof.has_value()) {
    const HookProof& proof = *situation.proof;
    add(proof.is_hook() ? Ok : No, "the program array is a hook", proof.found,
        proof.kind == HookProof::Kind::Refuted
            ? "a capture would change what happens to packets; xdpcap -list shows the hooks of this machine"
            : fmt::format(
                  "if you know that it is one, use -force, or give its map a name that begins "
                  "with \"{}\"",
                  kHookNamePrefix));
  }
  // What follows from an answer above is not asked; and packets that came know a way that is not seen here.
  const auto whether = [&](bool is_so, bool is_asked) {
    return is_so ? Ok : is_reached || !is_asked ? Unknown : No;
  };
  add(whether(!users.interfaces.empty(), !facts.users->empty()), "it runs on an interface",
      users.interfaces.empty() ? "on none" + elsewhere(users)
                               : interface_list(users) + elsewhere(users),
      "attach it: ip link set dev NAME xdp pinned PROGRAM");
  const std::string up = interface_list(users, InterfaceState::Up);
  add(whether(!up.empty(), !users.interfaces.empty()), "such an interface is up",
      up.empty() ? "none" : up, "`ip link set NAME up`; without carrier, look at the other end");
}

/// One step of packets: how many came to it, and how many went on.
struct Step {
  std::string looked_at;
  std::uint64_t came = 0;
  std::uint64_t went_on = 0;
  std::string found;
  std::string advice;
};

HookCheck check_step(const Step& step) {
  if (step.came == 0) {
    return {.result = CheckResult::Unknown,
            .looked_at = step.looked_at,
            .found = "no packet came this far",
            .advice = ""};
  }
  const bool is_ok = step.went_on != 0;
  return {.result = is_ok ? CheckResult::Ok : CheckResult::No,
          .looked_at = step.looked_at,
          .found = step.found,
          .advice = is_ok ? "" : step.advice};
}

/// "5 XDPPass; none with XDPDrop: ...", which matters to a user who knows that the program drops.
std::string found_actions(const CaptureSituation& situation) {
  std::string found = received_actions<CapturedAction>(situation.captured);
  std::vector<Action> missing;
  for (const CapturedAction& one : situation.captured) {
    if (one.received == 0) {
      missing.push_back(one.action);
    }
  }
  return missing.empty() ? found
                         : fmt::format("{}; none with {}: {}", found, any_of(missing), kUnseen);
}

HookCheck check_arrival(const CaptureSituation& situation, bool is_reached) {
  constexpr std::string_view kStep = "packets reach the hook";
  if (is_reached) {
    return {.result = CheckResult::Ok,
            .looked_at = std::string(kStep),
            .found = "they do",
            .advice = ""};
  }
  const bool is_counted = situation.others.has_value();
  return {
      .result = is_counted ? CheckResult::No : CheckResult::Unknown,
      .looked_at = std::string(kStep),
      .found = is_counted ? "none did" : "none with a captured action did; others are not counted",
      .advice = fmt::format("send traffic; {}", kUnseen)};
}

void check_packets(const CaptureSituation& situation, Checks& checks) {
  const CapturedAction all = sum(situation.captured);
  const std::string others = other_actions(situation);
  const bool is_reached = all.received != 0 || !others.empty();
  checks.push_back(check_arrival(situation, is_reached));
  checks.push_back(
      check_step({.looked_at = fmt::format("their action is {}", captured_actions(situation)),
                  .came = is_reached ? 1U : 0U,
                  .went_on = all.received,
                  .found = all.received != 0 ? found_actions(situation) : "only " + others,
                  .advice = fmt::format("capture those actions too: -actions; {}", kUnseen)}));
  checks.push_back(
      check_step({.looked_at = filter_text(situation) + " matches them",
                  .came = all.received,
                  .went_on = all.matched,
                  .found = fmt::format("{} of {}", all.matched, counted(all.received, "packet")),
                  .advice = "try without the filter"}));
  if (!situation.is_recorded) {
    return;
  }
  const std::uint64_t let_through = all.matched - std::min(all.matched, all.held_back);
  checks.push_back(
      check_step({.looked_at = "limits let them through",
                  .came = all.matched,
                  .went_on = let_through,
                  .found = fmt::format("{} of {}", let_through, counted(all.matched, "packet")),
                  .advice = "raise or leave out -sample, -rate, -per-flow or -c"}));
  const std::uint64_t taken = let_through - std::min(let_through, all.lost);
  checks.push_back(
      check_step({.looked_at = "the ring has room for them",
                  .came = let_through,
                  .went_on = taken,
                  .found = fmt::format("{} of {}", taken, counted(let_through, "packet")),
                  .advice = "make it larger: -buffer; or let less through"}));
  checks.push_back(
      check_step({.looked_at = "they are written",
                  .came = taken,
                  .went_on = all.written,
                  .found = fmt::format("{} of {}", all.written, counted(taken, "packet")),
                  .advice = "look at the output and its reader"}));
}

}  // namespace

void set_counts(CaptureSituation& situation, std::span<const Action> all,
                std::span<const Action> captured, const ActionCounters& counters) {
  situation.captured.clear();
  situation.others.emplace();
  for (const Action action : all) {
    const abi::Counters& one = counters[index(action)];
    if (std::ranges::find(captured, action) == captured.end()) {
      situation.others->push_back({.action = action, .received = one.received});
    } else {
      const std::uint64_t kept = one.held_back + one.lost;
      situation.captured.push_back({.action = action,
                                    .received = one.received,
                                    .matched = one.matched,
                                    .held_back = one.held_back,
                                    .written = one.matched - std::min(one.matched, kept),
                                    .lost = one.lost});
    }
  }
}

std::string certain_obstacle(const HookFacts& facts) {
  const bool may_run_elsewhere =
      facts.users.has_value() && std::ranges::any_of(*facts.users, [](const HookUser& user) {
        return !user.ifindexes_elsewhere.empty();
      });
  return may_run_elsewhere ? "" : obstacle(facts);
}

std::optional<std::string> why_nothing_was_captured(const CaptureSituation& situation) {
  if (!situation.is_counted) {
    return why_not_counted(situation);
  }
  const CapturedAction all = sum(situation.captured);
  if (all.written != 0) {
    return std::nullopt;
  }
  if (all.received == 0) {
    return why_nothing_arrived(situation);
  }
  if (all.matched == 0) {
    return fmt::format("{} matched none of {} that reached the hook: {}; {}",
                       filter_text(situation), counted(all.received, "packet"),
                       received_actions<CapturedAction>(situation.captured), kUnseen);
  }
  if (all.lost == all.matched) {
    return fmt::format(
        "every packet that matched was lost ({}): the ring had no room for them; -buffer makes it larger",
        all.matched);
  }
  if (all.held_back == all.matched) {
    return fmt::format("every packet that matched was held back by a limit ({})", all.matched);
  }
  return fmt::format("{} matched: {} held back by a limit, {} lost, none written",
                     counted(all.matched, "packet"), all.held_back, all.lost);
}

std::vector<HookCheck> check_hook(const CaptureSituation& situation) {
  const bool is_reached =
      sum(situation.captured).received != 0 || !other_actions(situation).empty();
  Checks checks;
  check_facts(situation, is_reached, checks);
  if (situation.is_counted) {
    check_packets(situation, checks);
  }
  return checks;
}

}  // namespace xdpcap
