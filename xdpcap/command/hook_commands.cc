// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/hook_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "base/report.h"
#include "xdpcap/command/foreign_programs.h"
#include "xdpcap/command/hook_text.h"
#include "xdpcap/command/xdpcap_report.h"
#include "xdpcap/inspect/hook_inventory.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/mounts.h"
#include "xdpcap/kernel/object_ids.h"
#include "xdpcap/kernel/program_info.h"
#include "xdpcap/sharing/capture_status.h"
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

int print_hooks(const std::vector<cli::ListedHook>& hooks, const XdpcapOptions& options) {
  const std::string text = options.wants_json ? cli::hooks_json(hooks)
                           : hooks.empty()    ? "no hooks: no program array is used by an XDP "
                                                "program, and none is pinned that could be\n"
                                              : cli::hooks_text(hooks);
  const Result<void> printed = cli::print_to_stdout(text);
  return printed ? cli::kExitSuccess : report(printed.error(), options.verbose);
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

Result<std::vector<cli::ListedHook>> find_all() {
  std::vector<cli::ListedHook> hooks;
  std::vector<HookFacts> all = TRY(find_hooks().with_context("list the hooks of this machine"));
  for (HookFacts& facts : all) {
    hooks.push_back(with_captures(std::move(facts)));
  }
  return hooks;
}

Result<cli::ListedHook> look_at(const XdpcapOptions& options) {
  const Hook hook = TRY(Hook::open(options.hook_path));
  return with_captures(TRY(hook_facts(hook, Scope::AllNamespaces)));
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
