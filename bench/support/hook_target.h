// SPDX-License-Identifier: BSD-3-Clause
//
// The smallest target: it tail-calls its hook with one action, as the last act of a user's program does.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>

#include "base/unique_fd.h"
#include "xdpcap/kernel/action.h"

namespace bench {

class HookTarget {
 public:
  /// Errors: Errc::Permission, Errc::Kernel.
  static cbpfc::Result<HookTarget> create(xdpcap::Action action, bool is_multi_buffer);

  int program_fd() const { return program_.get(); }
  int hook_fd() const { return hook_.get(); }
  xdpcap::Action action() const { return action_; }
  /// Puts a program into the action's slot; -1 empties it.
  cbpfc::Result<void> put(int program_fd) const;

 private:
  HookTarget() = default;

  xdpcap::Action action_ = xdpcap::Action::Pass;
  xdpcap::UniqueFd hook_;
  xdpcap::UniqueFd program_;
};

}  // namespace bench
