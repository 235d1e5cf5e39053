// SPDX-License-Identifier: BSD-3-Clause
//
// Why a capture has captured nothing yet, found out while it runs.
//
//     the capture asks, once, some seconds after its start
//     programs that only count go into the slots of actions that are not captured, for a second
//     counters and facts of the hook -> one sentence (hook_diagnosis.h)
//
// The guardian does this, because it has the capability to ask who uses the hook, which the capture has given up, and because
// if the capture dies meanwhile it takes out what it has put in.
//
// Tested by: tests/kernel/guard/explanation_test.cc, tests/kernel/end_to_end/nothing_captured_test.cc.

#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "attach/chain.h"
#include "attach/hook_lock.h"
#include "kernel/unique_fd.h"

namespace xdpcap {

/// What a guardian needs to explain: the capture's counters, and a program for each action that is not captured, which
/// counts there, too.
struct ExplanationParts {
  UniqueFd counters;
  std::map<Action, UniqueFd> probes;
};

class Explanation {
 public:
  /// Ownership: borrows all but the parts.
  Explanation(const Hook& hook, Chain& chain, const HookLock& lock, std::uint32_t position,
              ProcessIdentity process, ExplanationParts parts);

  /// Puts the counting programs in.
  void begin();
  /// When end() has something to say; nullopt: begin() was not called.
  std::optional<std::chrono::steady_clock::time_point> due() const { return due_; }
  /// Takes them out; the sentence, if there is one: nothing to say if packets were captured meanwhile.
  std::optional<std::string> end();

 private:
  const Hook& hook_;
  Chain& chain_;
  const HookLock& lock_;
  std::uint32_t position_;
  ProcessIdentity process_;
  ExplanationParts parts_;
  std::optional<std::chrono::steady_clock::time_point> due_;
};

}  // namespace xdpcap
