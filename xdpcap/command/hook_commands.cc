// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/hook_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/report.h"
#include "xdpcap/command/foreign_programs.h"
#include "xdpcap/command/guarded_capture.h"
#include "xdpcap/command/hook_text.h"
#include "xdpcap/command/signals.h"
#include "xdpcap/command/xdpcap_report.h"
#include "xdpcap/command/xdpcap_start.h"
#include "xdpcap/inspect/hook_diagnosis.h"
#include "xdpcap/inspect/hook_inventory.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/mounts.h"
#include "xdpcap/kernel/objects.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/sharing/chain.h"

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

Result<int> print_hooks(const std::vector<cli::ListedHook>& hooks, const XdpcapOptions& options) {
  const std::string text = options.wants_json ? cli::hooks_json(hooks)
                           : hooks.empty()    ? "no hooks: no program array is used by an XDP "
                                                "program, and none is pinned that could be\n"
                                              : cli::hooks_text(hooks);
  TRY(cli::print_to_stdout(text));
  return cli::kExitSuccess;
}

// With the captures of this user, by the pins of the hook.  What another user has put beside one of them hides nothing else.
cli::ListedHook with_captures(HookFacts facts) {
  cli::ListedHook listed{.facts = std::move(facts), .proof = {}, .captures = {}};
  listed.proof = prove_hook(listed.facts);
  for (const std::string& path : listed.facts.paths) {
    const Result<Hook> hook = Hook::open(path);
    const Result<std::vector<CaptureStatus>> captures =
        hook ? captures_on(*hook) : std::unexpected(hook.error());
    if (!captures) {
      listed.captures_unknown = captures.error().message;
      continue;
    }
    std::ranges::transform(*captures, std::back_inserter(listed.captures),
                           [](const CaptureStatus& status) { return describe(status); });
  }
  return listed;
}

/// Programs of captures that are in slots all the same: of other users, or of a directory that is gone.
struct OtherCaptures {
  std::size_t programs = 0;
  std::set<std::uint32_t> users;
  std::string text() const {
    return fmt::format("{} of captures that do not share with this user's (loaded by user {})",
                       counted(programs, "program"), fmt::join(users, ", "));
  }
};

Result<OtherCaptures> remove_other_captures(const Hook& hook) {
  OtherCaptures removed;
  for (const Action action : hook.actions()) {
    const std::optional<std::uint32_t> holder = TRY(hook.holder(action));
    const Result<UniqueFd> program =
        holder ? open_program(*holder) : fail(Errc::NotFound, "the slot is empty");
    if (!program && program.error().code == Errc::NotFound) {
      continue;
    }
    if (!program) {
      return fail(
          Errc::Permission,
          fmt::format(
              "hook {}: slot {} holds program {}; whether that is a capture's is not known without "
              "CAP_SYS_ADMIN",
              hook.path(), name(action), *holder));
    }
    const ProgramInfo info = TRY(program_info(program->get()));
    if (info.name.starts_with(chain::kProgramNamePrefix)) {
      TRY(remove_program(hook.fd(), static_cast<std::uint32_t>(index(action)))
              .with_context("hook " + hook.path()));
      ++removed.programs;
      removed.users.insert(info.user_id);
    }
  }
  return removed;
}

struct Detached {
  std::size_t ended = 0;
  std::size_t dead = 0;
  OtherCaptures other_captures = {};
  bool any() const { return ended + dead + other_captures.programs > 0; }
  std::string text() const {
    const std::string captures =
        ended == 0   ? fmt::format("no capture{} is running on it",
                                 other_captures.programs == 0 ? "" : " of this user")
        : ended == 1 ? "1 capture ended"
                     : fmt::format("{} captures ended", ended);
    return captures + (dead == 0 ? "" : "; removed what killed ones had left") +
           (other_captures.programs == 0 ? "" : "; removed " + other_captures.text());
  }
};

Result<Detached> end_captures(Chain& chain, const XdpcapOptions& options) {
  Detached detached;
  detached.dead = chain.remove_dead().size();
  detached.ended =
      TRY(chain.end_captures(chain::Reason::Detached, static_cast<std::uint32_t>(::getpid()),
                             [&](const ChainMember& member) {
                               return !options.detach_pid || member.pid == *options.detach_pid;
                             }));
  return detached;
}

Result<std::string> detach(const XdpcapOptions& options) {
  const Hook hook = TRY(Hook::open(options.hook_path));
  Result<std::optional<Chain>> chain = Chain::find(hook);
  if (!chain) {
    const OtherCaptures other = TRY(remove_other_captures(hook));
    Error error = std::move(chain).error();
    error.message += other.programs == 0 ? "" : "; removed " + other.text();
    return std::unexpected(std::move(error));
  }
  Detached detached;
  if (*chain) {
    detached = TRY(end_captures(**chain, options));
  }
  if (options.detach_pid && detached.ended == 0) {
    return fail(
        Errc::NotFound,
        fmt::format(
            "hook {0}: no capture with pid {1} is on it; xdpcap -status {0} shows those that are",
            options.hook_path, *options.detach_pid));
  }
  if (options.detach_pid) {
    return fmt::format("hook {}: capture with pid {} ended", options.hook_path,
                       *options.detach_pid);
  }
  detached.other_captures = TRY(remove_other_captures(hook));
  Result<std::string> others = options.force ? remove_foreign(hook, options)
                                             : advise_on_foreign(hook, detached.any(), options);
  if (!others && (options.force || !detached.any())) {
    return std::unexpected(std::move(others).error());
  }
  return fmt::format("hook {}: {}{}", options.hook_path, detached.text(), others.value_or(""));
}

}  // namespace

Result<int> list_hooks(const XdpcapOptions& options) {
  if (const auto mounts = mounts_of_type("bpf"); mounts && mounts->empty() && !options.is_silent) {
    say("warning: no BPF file system is mounted where this process sees it, so no pin is shown: mount it with "
        "`mount -t bpf bpf /sys/fs/bpf`, and note that `ip netns exec` hides it while `nsenter --net=` does not");
  }
  std::vector<cli::ListedHook> hooks;
  for (HookFacts& facts : TRY(find_hooks().with_context("list the hooks of this machine"))) {
    hooks.push_back(with_captures(std::move(facts)));
  }
  return print_hooks(hooks, options);
}

Result<int> show_hook(const XdpcapOptions& options) {
  const Hook hook = TRY(Hook::open(options.hook_path));
  return print_hooks({with_captures(TRY(hook_facts(hook, Scope::AllNamespaces)))}, options);
}

Result<int> detach_captures(const XdpcapOptions& options) {
  const std::string done = TRY(detach(options));
  if (!options.quiet) {
    say(done);
  }
  return cli::kExitSuccess;
}

namespace {

constexpr std::chrono::seconds kCountingTime{3};

// Counts packets of all actions, until kCountingTime has passed or a stop signal arrives.
Result<ActionCounters> count_packets(const Hook& hook, const cbpfc::Filter& filter,
                                     const XdpcapOptions& options,
                                     const cli::StopSignals& signals) {
  const std::unique_ptr<GuardedCapture> guarded = TRY(GuardedCapture::prepare(
      hook, filter, options, {.actions = hook.actions(), .counts_only = true}));
  TRY(guarded->get_place());
  TRY(guarded->enter());
  static_cast<void>(signals.wait(kCountingTime));
  TRY(guarded->leave());
  return guarded->capture().counters();
}

CaptureSituation describe(const Hook& hook, const ActionCounters& counters,
                          const XdpcapOptions& options) {
  CaptureSituation situation{.facts = hook_facts(hook, Scope::AllNamespaces),
                             .filter = options.filter,
                             .captured = {},
                             .others = {},
                             .is_recorded = false};
  if (situation.facts.has_value()) {
    situation.proof = prove_hook(*situation.facts);
  }
  set_counts(situation, hook.actions(), choose_actions(hook, options), counters);
  return situation;
}

// The situation of the hook, counted if it can be.
Result<CaptureSituation> look(const XdpcapOptions& options) {
  const cbpfc::Filter filter = TRY(given_filter(options, {})).filter;
  const Hook hook = TRY(Hook::open(options.hook_path));
  const cli::StopSignals signals = TRY(cli::StopSignals::block());
  CaptureSituation situation = describe(hook, {}, options);
  situation.is_counted = !options.is_passive && TRY(hook.has_owner()) &&
                         (options.force || (situation.proof && situation.proof->is_hook()));
  if (!situation.is_counted) {
    return situation;
  }
  if (!options.is_silent) {
    say(fmt::format("entering hook {} for {} s to count packets; -passive does without",
                    options.hook_path, kCountingTime.count()));
  }
  const ActionCounters counters = TRY(count_packets(hook, filter, options, signals));
  return describe(hook, counters, options);
}

}  // namespace

Result<int> diagnose_hook(const XdpcapOptions& options) {
  const CaptureSituation situation = TRY(look(options));
  const std::vector<HookCheck> checks = check_hook(situation);
  const std::string verdict = why_nothing_was_captured(situation).value_or(
      situation.is_counted ? "packets that match reach the hook: a capture gets them"
                           : "nothing is seen that keeps packets from a capture; "
                             "they were not counted");
  TRY(cli::print_to_stdout(cli::checks_text(checks) + "\n" + cli::printable(verdict) + "\n"));
  const bool is_fine = std::ranges::none_of(
      checks, [](const HookCheck& check) { return check.result == CheckResult::No; });
  return is_fine ? cli::kExitSuccess : cli::kExitFailure;
}

}  // namespace xdpcap
