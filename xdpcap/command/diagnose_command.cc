// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/diagnose_command.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/report.h"
#include "xdpcap/command/guarded_capture.h"
#include "xdpcap/command/hook_text.h"
#include "xdpcap/command/signals.h"
#include "xdpcap/command/xdpcap_report.h"
#include "xdpcap/command/xdpcap_start.h"
#include "xdpcap/inspect/hook_diagnosis.h"
#include "xdpcap/inspect/hook_inventory.h"

namespace xdpcap {
namespace {

constexpr std::chrono::seconds kCountingTime{3};

// Counts packets of all actions, until the time is over or somebody says stop.
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

int diagnose_hook(const XdpcapOptions& options) {
  const Result<CaptureSituation> situation = look(options);
  if (!situation) {
    return report(situation.error(), options.verbose);
  }
  const std::vector<HookCheck> checks = check_hook(*situation);
  const std::string verdict =
      why_nothing_was_captured(*situation)
          .value_or(situation->is_counted ? "packets that match reach the hook: a capture gets them"
                                          : "nothing is seen that keeps packets from a capture; "
                                            "they were not counted");
  const Result<void> printed =
      cli::print_to_stdout(cli::checks_text(checks) + "\n" + cli::printable(verdict) + "\n");
  if (!printed) {
    return report(printed.error(), options.verbose);
  }
  const bool is_fine = std::ranges::none_of(
      checks, [](const HookCheck& check) { return check.result == CheckResult::No; });
  return is_fine ? cli::kExitSuccess : cli::kExitFailure;
}

}  // namespace xdpcap
