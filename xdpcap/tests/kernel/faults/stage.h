// SPDX-License-Identifier: BSD-3-Clause
//
// The stage of the tests of faults: that of the end-to-end tests, and who shares its hook.
//
// When a stage goes it expects that nothing is left on it: slots, chains, guardians, the directory of captures.

#pragma once

#include <gtest/gtest.h>
#include <xdpcap/hook/hook.h>
#include <xdpcap/sharing/chain.h>

#include <optional>
#include <string>
#include <vector>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/on_hook.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"
#include "xdpcap/tests/kernel/faults/traffic.h"

namespace xdpcap::test {

class Stage {
 public:
  Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage();

  const Rig& rig() const { return rig_; }
  const Hook& hook() const { return hook_; }
  int hook_fd() const { return rig_.target().hook_fd(); }

  /// Who captures, by the memory that they share.
  std::vector<ChainMember> members() const;
  /// Whether packets come to the programs of all its actions.
  bool has_entered(pid_t pid) const;
  /// Whether just these processes capture within `most`.
  bool are_members(const std::vector<pid_t>& pids, Millis most) const;
  /// Guardians on the hook: those of captures that are dead, too.
  std::vector<pid_t> guardians() const { return guardians_on(rig_.hook()); }

 private:
  Rig rig_;
  Hook hook_;
};

/// An xdpcap on a stage's hook, beside others.
class SharedCapture {
 public:
  /// Starts it, and does not wait.  `arguments` are options; `output` empty: it only counts.
  SharedCapture(const Stage& stage, const std::string& output,
                const std::vector<std::string>& arguments = {}, const std::string& filter = "");

  Process& process() { return process_; }
  pid_t pid() const { return process_.pid(); }
  /// Whether it has entered, and still runs, within `most`.
  bool enters(Millis most = Millis(5'000));
  /// nullopt: it has none yet, or none any more.
  std::optional<pid_t> guardian() const;
  /// Has it end and expects that it says so with an exit code of 0; what it counted.
  Totals stop(Millis most = Millis(5'000));
  /// Both at the same moment of its life: it is stopped first, so that it starts no guardian meanwhile.
  void kill_with_guardian();
  /// What it counted, when it has ended.  A counting one: received and matched.
  Totals totals() const;
  bool says(const std::string& text, Millis most = Millis(2'000)) const;

 private:
  const Stage& stage_;
  bool counts_only_;
  Process process_;
};

/// Starts a capture and stops it: the next one on the machine removes what dead ones have left.
void clean_up_with_another(const Stage& stage);

/// Sends a signal to a process that is no child of ours.
void signal_process(pid_t pid, int signal);

/// Expects of traffic that every frame got its verdict; and of a capture that was there all the time that it received every one.
void expect_exact(const Totals& totals, const Tally& tally);

class FaultTest : public EndToEndTest {};

}  // namespace xdpcap::test
