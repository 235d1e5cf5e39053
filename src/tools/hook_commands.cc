// SPDX-License-Identifier: BSD-3-Clause

#include "tools/hook_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "attach/capture_status.h"
#include "attach/chain_find.h"
#include "attach/hook_inventory.h"
#include "cli/hook_text.h"
#include "cli/report.h"
#include "guard/chain_service.h"
#include "kernel/mounts.h"
#include "kernel/object_ids.h"
#include "tools/foreign_programs.h"
#include "tools/guarded_capture.h"
#include "tools/xdpcap_report.h"

namespace xdpcap {
namespace {

std::string state_of(const CaptureStatus& status) {
  if (!status.is_alive) {
    return "its process is dead; xdpcap -detach takes out what it left";
  }
  switch (status.member.state) {
    case chain::State::Reserved: return "starting";
    case chain::State::ToldToLeave: return "ending";
    default: return "capturing";
  }
}

cli::CaptureOnHook describe(const CaptureStatus& status) {
  cli::CaptureOnHook capture{.pid = status.member.process.pid,
                             .user_id = status.member.user_id,
                             .command_line = status.member.command_line,
                             .filter = status.member.filter,
                             .actions = status.member.actions,
                             .state = state_of(status)};
  if (status.counters) {
    abi::Counters sum;
    for (const Action action : status.member.actions) {
      sum += (*status.counters)[index(action)];
    }
    capture.received = sum.received;
    capture.matched = sum.matched;
  }
  return capture;
}

std::vector<cli::CaptureOnHook> describe(const std::vector<CaptureStatus>& captures) {
  std::vector<cli::CaptureOnHook> described;
  std::ranges::transform(captures, std::back_inserter(described),
                         [](const CaptureStatus& status) { return describe(status); });
  return described;
}

int print_hooks(const std::vector<cli::ListedHook>& hooks, const XdpcapOptions& options) {
  const std::string text = options.wants_json ? cli::hooks_json(hooks)
                           : hooks.empty()    ? "no hooks: no program array is used by an XDP "
                                                "program, and none is pinned that could be\n"
                                              : cli::hooks_text(hooks);
  const Result<void> printed = cli::print_to_stdout(text);
  return printed ? cli::kExitSuccess : report(printed.error(), options.verbose);
}

Result<std::vector<CaptureStatus>> captures_on_map(std::uint32_t map_id) {
  UniqueFd fd = TRY(open_map(map_id));
  const Hook hook = TRY(Hook::adopt(std::move(fd), fmt::format("map {}", map_id)));
  return captures_on(hook, {});
}

Result<std::vector<cli::ListedHook>> find_all() {
  std::vector<cli::ListedHook> hooks;
  std::vector<HookFacts> all = TRY(find_hooks().with_context("list the hooks of this machine"));
  for (HookFacts& facts : all) {
    Result<std::vector<CaptureStatus>> captures = captures_on_map(facts.map_id);
    if (!captures && captures.error().code == Errc::NotFound) {
      continue;  // gone since
    }
    HookProof proof = prove_hook(facts);
    hooks.push_back(
        {.facts = std::move(facts),
         .proof = std::move(proof),
         .captures = captures ? describe(*captures) : std::vector<cli::CaptureOnHook>()});
  }
  return hooks;
}

AskOthers ask_in(const XdpcapOptions& options, const Hook& hook) {
  return [&options, &hook] { return ask_for_chain(options.run_directory, hook); };
}

Result<cli::ListedHook> look_at(const XdpcapOptions& options) {
  const Hook hook = TRY(Hook::open(options.hook_path));
  HookFacts facts = TRY(hook_facts(hook, Scope::AllNamespaces));
  const std::vector<CaptureStatus> captures = TRY(captures_on(hook, ask_in(options, hook)));
  HookProof proof = prove_hook(facts);
  return cli::ListedHook{
      .facts = std::move(facts), .proof = std::move(proof), .captures = describe(captures)};
}

// That no chain was found says that there is none if one would have been found, or if the slots are empty.
Result<void> check_none(const Hook& hook) {
  const Result<FoundChains> found = find_chains(hook);
  if (found || found.error().code != Errc::Permission) {
    return {};
  }
  for (const Action action : hook.actions()) {
    if (TRY(hook.holder(action))) {
      return Result<void>(std::unexpected(found.error()))
          .with_context(fmt::format("hook {}: find the captures on it", hook.path()));
    }
  }
  return {};
}

Result<std::size_t> remove_all_remains(const Hook& hook, const HookLock& lock) {
  const HookLock::Turn turn = lock.take();
  std::size_t removed = 0;
  for (const Remains& remains : TRY(reach_chains(hook, {})).remains) {
    removed += TRY(remove_remains(hook, remains)) > 0 ? 1U : 0U;
  }
  return removed;
}

Result<std::string> detach(const XdpcapOptions& options) {
  const Hook hook = TRY(Hook::open(options.hook_path));
  const HookLock lock = open_lock(options);
  std::optional<Chain> chain = TRY(reach_chains(hook, ask_in(options, hook))).live;
  std::size_t ended = 0;
  if (chain) {
    ended = TRY(end_captures(*chain, lock, chain::Reason::Detached, [&](const ChainMember& member) {
      return !options.detach_pid || member.process.pid == *options.detach_pid;
    }));
    chain.reset();
  } else {
    TRY(check_none(hook));
  }
  if (options.detach_pid) {
    if (ended == 0) {
      return fail(
          Errc::NotFound,
          fmt::format(
              "hook {}: no capture with pid {} is on it; xdpcap -status {} shows those that are",
              options.hook_path, *options.detach_pid, options.hook_path));
    }
    return fmt::format("hook {}: capture with pid {} ended", options.hook_path,
                       *options.detach_pid);
  }
  const std::size_t removed = TRY(remove_all_remains(hook, lock));
  const std::string others =
      TRY(options.force ? remove_foreign(hook, lock, options)
                        : advise_on_foreign(hook, ended + removed > 0, options));
  return fmt::format("hook {}: {}{}{}", options.hook_path,
                     ended == 0   ? "no capture is running on it"
                     : ended == 1 ? "1 capture ended"
                                  : fmt::format("{} captures ended", ended),
                     removed == 0 ? "" : "; removed what killed ones had left", others);
}

}  // namespace

int list_hooks(const XdpcapOptions& options) {
  if (const auto mounts = mounts_of_type("bpf"); mounts && mounts->empty() && !options.is_silent) {
    say("warning: no BPF file system is mounted where this process sees it, so no pin is shown: mount it with "
        "`mount -t bpf bpf /sys/fs/bpf`, and note that `ip netns exec` hides it while `nsenter --net=` does not");
  }
  const Result<std::vector<cli::ListedHook>> hooks = find_all();
  return hooks ? print_hooks(*hooks, options) : report(hooks.error(), options.verbose);
}

int show_hook(const XdpcapOptions& options) {
  Result<cli::ListedHook> hook = look_at(options);
  return hook ? print_hooks({*std::move(hook)}, options) : report(hook.error(), options.verbose);
}

int detach_captures(const XdpcapOptions& options) {
  const Result<std::string> done = detach(options);
  if (!done) {
    return report(done.error(), options.verbose);
  }
  if (!options.quiet) {
    say(*done);
  }
  return cli::kExitSuccess;
}

}  // namespace xdpcap
