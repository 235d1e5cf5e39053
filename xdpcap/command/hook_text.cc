// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/hook_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "base/json.h"
#include "base/report.h"
#include "base/text.h"
#include "xdpcap/kernel/errors.h"

namespace xdpcap::cli {
namespace {

constexpr std::string_view kIndent = "  ";
constexpr std::size_t kLabelColumns = 10;

/// `text` without what a terminal would obey, cut off where it is too long.
std::string shown(std::string_view text) {
  if (text.size() <= kMostTextBytes) {
    return printable(text);
  }
  return printable(cut_text(text, kMostTextBytes)) + "...";
}

/// "31 "firewall"".
std::string text_of(const ProgramName& program) {
  return program.name.empty() ? std::to_string(program.id)
                              : fmt::format("{} \"{}\"", program.id, shown(program.name));
}

/// "2 XDPPass"; of a slot without action, its number.
std::string slot_name(std::uint32_t slot) {
  return slot < kActions.size() ? fmt::format("{} {}", slot, name(kActions[slot]))
                                : std::to_string(slot);
}

/// The block of one hook, line by line.
class Block {
 public:
  explicit Block(std::string title) : text_(std::move(title) + "\n") {}

  void line(std::string_view label, std::string_view value) {
    text_ += fmt::format("{}{:<{}}{}\n", kIndent, label, kLabelColumns, value);
  }
  /// Belongs to the line above.
  void detail(std::string_view value) { line("", fmt::format("{}{}", kIndent, value)); }

  /// Calls `write` for the first few of `items`, and says how many more there are.
  template <typename Items, typename Write>
  void list(const Items& items, std::string_view label, const Write& write) {
    const std::size_t listed = std::min(items.size(), kMostListed);
    for (std::size_t i = 0; i < listed; ++i) {
      write(items[i]);
    }
    if (items.size() > listed) {
      line(label, fmt::format("and {} more", items.size() - listed));
    }
  }

  std::string take() && { return std::move(text_); }

 private:
  std::string text_;
};

void put_user(Block& block, const HookUser& user) {
  block.line("program", text_of(user.program));
  block.list(user.interfaces, "", [&](const UserInterface& interface) {
    block.detail(fmt::format(
        "on {} ({}, {}){}{}", shown(interface.name), name(interface.state), name(interface.mode),
        interface.network_namespace.empty()
            ? ""
            : ", network namespace " + shown(interface.network_namespace),
        interface.via.id == 0 ? "" : ", through program " + text_of(interface.via)));
  });
  if (user.interfaces.empty()) {
    block.detail("on no interface that can be seen");
  }
  block.list(user.ifindexes_elsewhere, "", [&](std::uint32_t ifindex) {
    block.detail(
        fmt::format("on interface number {} of a network namespace that cannot be seen", ifindex));
  });
}

void put_users(Block& block, const HookFacts& facts, bool is_hook) {
  if (!facts.users.has_value()) {
    block.line("program", "not known: " + printable(facts.users.error().message));
  } else if (!facts.users->empty()) {
    block.list(*facts.users, "program", [&](const HookUser& user) { put_user(block, user); });
  } else if (facts.is_owned) {
    block.line("program", "none any more: the one that used it was unloaded");
  } else if (is_hook) {
    block.line("program", "none: until one that calls this hook is loaded, no capture can enter");
  }
}

void put_capture(Block& block, const CaptureOnHook& capture) {
  std::string actions;
  for (const Action action : capture.actions) {
    actions += fmt::format("{}{}", actions.empty() ? "" : ", ", name(action));
  }
  block.line("capture", fmt::format("pid {}, user {}: {}", capture.pid, capture.user_id,
                                    shown(capture.command_line)));
  block.detail(fmt::format(
      "{}; {}", capture.filter.empty() ? "every packet" : shown(capture.filter), actions));
  const std::string counted =
      capture.received && capture.matched
          ? fmt::format("{} received, {} matched; ", *capture.received, *capture.matched)
          : std::string();
  block.detail(counted + shown(capture.state));
}

std::string hook_text(const ListedHook& hook) {
  const HookFacts& facts = hook.facts;
  const bool is_hook = hook.proof.is_hook();
  // Paths are not cut off: they are there to be copied.
  Block block((facts.paths.empty() ? fmt::format("map {}, not pinned", facts.map_id)
                                   : printable(facts.paths.front())) +
              (is_hook                   ? ""
               : facts.users.has_value() ? ": program array, not a hook"
                                         : ": program array; whether it is a hook is not known"));
  if (!is_hook) {
    block.line("because", shown(hook.proof.found));
  }
  block.line("map", fmt::format("{} \"{}\", {}", facts.map_id, shown(facts.name),
                                counted(facts.slots, "slot")));
  if (facts.paths.empty() && is_hook) {
    block.line("to do",
               fmt::format("pin it, to capture from it: bpftool map pin id {} /sys/fs/bpf/NAME",
                           facts.map_id));
  } else if (!facts.paths.empty()) {
    block.list(std::span(facts.paths).subspan(1), "also at",
               [&](const std::string& path) { block.line("also at", printable(path)); });
  }
  put_users(block, facts, is_hook);
  if (!hook.captures_unknown.empty()) {
    block.line("capture", "not known: " + printable(hook.captures_unknown));
  } else if (hook.captures.empty() && is_hook) {
    const bool may_be_of_others = std::ranges::any_of(facts.holders, [](const SlotProgram& holder) {
      return holder.is_capture || holder.program.name.empty();
    });
    block.line("capture", may_be_of_others ? "none of this user" : "none");
  }
  block.list(hook.captures, "capture",
             [&](const CaptureOnHook& capture) { put_capture(block, capture); });
  block.list(facts.holders, "slot", [&](const SlotProgram& holder) {
    block.line("slot",
               fmt::format("{}: program {}{}",
                           is_hook ? slot_name(holder.slot) : std::to_string(holder.slot),
                           text_of(holder.program), holder.is_capture ? ", of a capture" : ""));
  });
  return std::move(block).take();
}

void put_number(JsonWriter& json, std::string_view key, std::optional<std::uint64_t> number) {
  json.key(key);
  if (number) {
    json.number(*number);
  } else {
    json.null();
  }
}

void put_program(JsonWriter& json, const ProgramName& program) {
  json.key("program_id").number(program.id);
  json.key("program_name").text(program.name);
}

/// Writes `"key":[...]`, with `write` for each item.
template <typename Items, typename Write>
void put_array(JsonWriter& json, std::string_view key, const Items& items, const Write& write) {
  json.key(key).begin_array();
  for (const auto& item : items) {
    write(item);
  }
  json.end_array();
}

void put_interface(JsonWriter& json, const UserInterface& interface) {
  json.begin_object();
  json.key("ifindex").number(interface.ifindex);
  json.key("name").text(interface.name);
  json.key("state").text(name(interface.state));
  json.key("mode").text(name(interface.mode));
  json.key("network_namespace").text(interface.network_namespace);
  json.key("via");
  if (interface.via.id == 0) {
    json.null();
  } else {
    json.begin_object();
    put_program(json, interface.via);
    json.end_object();
  }
  json.end_object();
}

void put_users(JsonWriter& json, const Result<std::vector<HookUser>>& users) {
  if (!users.has_value()) {
    json.key("users").null();
    json.key("users_unknown").text(users.error().message);
    return;
  }
  put_array(json, "users", *users, [&](const HookUser& user) {
    json.begin_object();
    put_program(json, user.program);
    put_array(json, "interfaces", user.interfaces,
              [&](const UserInterface& interface) { put_interface(json, interface); });
    put_array(json, "ifindexes_elsewhere", user.ifindexes_elsewhere,
              [&](std::uint32_t ifindex) { json.number(ifindex); });
    json.end_object();
  });
  json.key("users_unknown").null();
}

void put_holder(JsonWriter& json, const SlotProgram& holder) {
  json.begin_object();
  json.key("slot").number(holder.slot);
  json.key("action");
  if (holder.slot < kActions.size()) {
    json.text(name(kActions[holder.slot]));
  } else {
    json.null();
  }
  put_program(json, holder.program);
  json.key("is_capture").boolean(holder.is_capture);
  json.end_object();
}

void put_capture(JsonWriter& json, const CaptureOnHook& capture) {
  json.begin_object();
  json.key("pid").number(capture.pid);
  json.key("user_id").number(capture.user_id);
  json.key("command_line").text(capture.command_line);
  json.key("filter").text(capture.filter);
  put_array(json, "actions", capture.actions, [&](Action action) { json.text(name(action)); });
  put_number(json, "received", capture.received);
  put_number(json, "matched", capture.matched);
  json.key("state").text(capture.state);
  json.end_object();
}

}  // namespace

std::string hooks_text(std::span<const ListedHook> hooks) {
  std::string text;
  for (const ListedHook& hook : hooks) {
    text += (text.empty() ? "" : "\n") + hook_text(hook);
  }
  return text;
}

std::string hooks_json(std::span<const ListedHook> hooks) {
  std::string lines;
  for (const ListedHook& hook : hooks) {
    const HookFacts& facts = hook.facts;
    JsonWriter json;
    json.begin_object();
    json.key("map_id").number(facts.map_id);
    json.key("name").text(facts.name);
    json.key("slots").number(facts.slots);
    put_array(json, "paths", facts.paths, [&](const std::string& path) { json.text(path); });
    json.key("is_owned").boolean(facts.is_owned);
    json.key("is_hook").boolean(hook.proof.is_hook());
    json.key("is_hook_because").text(hook.proof.found);
    put_users(json, facts.users);
    put_array(json, "holders", facts.holders,
              [&](const SlotProgram& holder) { put_holder(json, holder); });
    put_array(json, "captures", hook.captures,
              [&](const CaptureOnHook& capture) { put_capture(json, capture); });
    json.key("captures_unknown");
    if (hook.captures_unknown.empty()) {
      json.null();
    } else {
      json.text(hook.captures_unknown);
    }
    json.end_object();
    lines += std::move(json).take() + "\n";
  }
  return lines;
}

std::string checks_text(std::span<const HookCheck> checks) {
  std::string text;
  for (const HookCheck& check : checks) {
    const std::string_view mark = check.result == CheckResult::Ok   ? "ok"
                                  : check.result == CheckResult::No ? "no"
                                                                    : "?";
    text += fmt::format("{:<4}{}: {}\n", mark, printable(check.looked_at), printable(check.found));
    if (!check.advice.empty()) {
      text += fmt::format("      {}\n", printable(check.advice));
    }
  }
  return text;
}

}  // namespace xdpcap::cli
