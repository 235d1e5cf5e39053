// SPDX-License-Identifier: BSD-3-Clause

#include "tools/hook_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "attach/capture_status.h"
#include "attach/chain.h"
#include "attach/hook_inventory.h"
#include "cli/hook_text.h"
#include "cli/report.h"
#include "kernel/map.h"
#include "kernel/mounts.h"
#include "tools/foreign_programs.h"
#include "tools/xdpcap_report.h"

namespace xdpcap {
namespace {

std::string state_of(const CaptureStatus& status) {
  return !status.member.is_alive ? "its process is dead; xdpcap -detach takes out what it left"
         : status.member.told_by_pid != 0 ? "ending"
         : status.is_starting             ? "starting"
                                          : "capturing";
}

cli::CaptureOnHook describe(const CaptureStatus& status) {
  cli::CaptureOnHook capture{.pid = status.member.pid,
                             .user_id = status.user_id,
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

// Those of this user, by the pins of the hook.
Result<std::vector<CaptureStatus>> captures_at(const HookFacts& facts) {
  std::vector<CaptureStatus> all;
  for (const std::string& path : facts.paths) {
    const Hook hook = TRY(Hook::open(path));
    std::ranges::move(TRY(captures_on(hook)), std::back_inserter(all));
  }
  return all;
}

Result<std::vector<cli::ListedHook>> find_all() {
  std::vector<cli::ListedHook> hooks;
  std::vector<HookFacts> all = TRY(find_hooks().with_context("list the hooks of this machine"));
  for (HookFacts& facts : all) {
    const Result<std::vector<CaptureStatus>> captures = captures_at(facts);
    HookProof proof = prove_hook(facts);
    hooks.push_back(
        {.facts = std::move(facts),
         .proof = std::move(proof),
         .captures = captures ? describe(*captures) : std::vector<cli::CaptureOnHook>()});
  }
  return hooks;
}

Result<cli::ListedHook> look_at(const XdpcapOptions& options) {
  const Hook hook = TRY(Hook::open(options.hook_path));
  HookFacts facts = TRY(hook_facts(hook, Scope::AllNamespaces));
  const std::vector<CaptureStatus> captures = TRY(captures_at(facts));
  HookProof proof = prove_hook(facts);
  return cli::ListedHook{
      .facts = std::move(facts), .proof = std::move(proof), .captures = describe(captures)};
}

// Programs of captures that are in slots all the same: of other users, or of a chain that is gone.  How many there were.
Result<std::size_t> remove_captures_left(const Hook& hook) {
  const HookFacts facts = TRY(hook_facts(hook));
  std::size_t removed = 0;
  for (const SlotProgram& holder : facts.holders) {
    if (!facts.users) {
      return fail(
          Errc::Permission,
          fmt::format(
              "hook {}: slot {} holds program {}; whether that is a capture's is not known without "
              "CAP_SYS_ADMIN",
              hook.path(), holder.slot, holder.program.id));
    }
    if (holder.is_capture) {
      TRY(remove_program(hook.fd(), holder.slot).with_context("hook " + hook.path()));
      ++removed;
    }
  }
  return removed;
}

Result<std::string> detach(const XdpcapOptions& options) {
  const Hook hook = TRY(Hook::open(options.hook_path));
  std::size_t ended = 0;
  std::size_t removed = 0;
  if (std::optional<Chain> chain = TRY(Chain::find(hook))) {
    removed = chain->remove_dead().size();
    ended =
        TRY(chain->end_captures(chain::Reason::Detached, static_cast<std::uint32_t>(::getpid()),
                                [&](const ChainMember& member) {
                                  return !options.detach_pid || member.pid == *options.detach_pid;
                                }));
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
  removed += TRY(remove_captures_left(hook));
  const std::string others =
      TRY(options.force ? remove_foreign(hook, options)
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
