// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/foreign_programs.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "xdpcap/command/hook_text.h"
#include "xdpcap/command/xdpcap_report.h"
#include "xdpcap/inspect/hook_inventory.h"
#include "xdpcap/inspect/hook_proof.h"
#include "xdpcap/kernel/map.h"

namespace xdpcap {
namespace {

struct ForeignPrograms {
  std::vector<SlotProgram> programs;
  HookProof proof;
};

std::string names_of(const std::vector<SlotProgram>& programs) {
  std::string names;
  for (std::size_t i = 0; i < std::min(programs.size(), cli::kMostListed); ++i) {
    const auto& [slot, program, is_capture] = programs[i];
    names += fmt::format(
        "{}program {}{} in slot {}", i == 0 ? "" : ", ", program.id,
        program.name.empty() ? "" : fmt::format(" ({})", program.name),
        slot < kActions.size() ? std::string(name(kActions[slot])) : std::to_string(slot));
  }
  return names + (programs.size() > cli::kMostListed
                      ? fmt::format(" and {} more", programs.size() - cli::kMostListed)
                      : "");
}

// Without the right to look, ours cannot be told from others: no programs, or an error if that `must_be_known`.
Result<ForeignPrograms> find_foreign(const Hook& hook, bool must_be_known) {
  HookFacts facts = TRY(hook_facts(hook));
  if (facts.holders.empty() || (!facts.users && !must_be_known)) {
    return ForeignPrograms{};
  }
  if (!facts.users) {
    return std::unexpected(facts.users.error());
  }
  ForeignPrograms foreign{.programs = {}, .proof = prove_hook(facts)};
  std::ranges::copy_if(facts.holders, std::back_inserter(foreign.programs), std::logical_not<>(),
                       &SlotProgram::is_capture);
  if (foreign.proof.kind == HookProof::Kind::Refuted && !foreign.programs.empty()) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("hook {}: this program array is not a hook: {}; its programs are left alone",
                    hook.path(), foreign.proof.found));
  }
  return foreign;
}

}  // namespace

Result<std::string> remove_foreign(const Hook& hook, const XdpcapOptions& options) {
  const std::vector<SlotProgram> foreign = TRY(find_foreign(hook, true)).programs;
  if (foreign.empty()) {
    return std::string();
  }
  if (!options.quiet) {
    say(fmt::format("hook {}: removing {}", hook.path(), names_of(foreign)));
  }
  std::vector<SlotProgram> replaced;
  for (const SlotProgram& named : foreign) {
    const std::optional<std::uint32_t> holder = TRY(program_in_slot(hook.fd(), named.slot));
    if (holder == named.program.id) {
      TRY(remove_program(hook.fd(), named.slot));
    } else if (holder) {
      replaced.push_back(named);
    }
  }
  if (!replaced.empty()) {
    return fail(Errc::Busy,
                fmt::format("hook {}: another program has replaced {} meanwhile, and stays; see "
                            "xdpcap -status {}",
                            hook.path(), names_of(replaced), hook.path()));
  }
  return fmt::format("; removed {} foreign {}", foreign.size(),
                     foreign.size() == 1 ? "program" : "programs");
}

Result<std::string> advise_on_foreign(const Hook& hook, bool has_detached,
                                      const XdpcapOptions& options) {
  const auto [foreign, proof] = TRY(find_foreign(hook, false));
  if (foreign.empty()) {
    return std::string();
  }
  const std::string advice = fmt::format(
      "{}, not put there by this xdpcap; whether a process still uses {} is not known (bpftool prog "
      "show id {} may name it); to remove what a killed one has left{}: xdpcap -detach -force {}",
      names_of(foreign), foreign.size() == 1 ? "it" : "them", foreign.front().program.id,
      proof.is_hook() ? "" : ", if you know that this is a hook", options.hook_path);
  if (has_detached) {
    return "; still there: " + advice;
  }
  return fail(Errc::Busy, fmt::format("hook {}: no capture is running on it, but there is {}",
                                      hook.path(), advice));
}

}  // namespace xdpcap
