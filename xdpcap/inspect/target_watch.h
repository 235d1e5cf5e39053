// SPDX-License-Identifier: BSD-3-Clause
//
// The life of the target: says when the programs behind a hook, and the interfaces they run on, change.
//
// A capture goes on whatever happens to its target, since a target that is loaded again finds the same pinned hook; but
// who waits for packets wants to know why none come.  Once a second the interfaces of this network namespace are asked for
// (xdpcap/kernel/interfaces.h, no capability); only if XDP programs or the state of their interfaces are not as before, and now and
// then because a target may run elsewhere, everything is looked up again.
//
// Needs CAP_SYS_ADMIN to know which programs use the hook; without, it says nothing.
// Tested by: xdpcap/tests/hook/target_watch_test.cc (what is said), xdpcap/tests/kernel/end_to_end/target_watch_test.cc.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "xdpcap/hook/hook.h"
#include "xdpcap/inspect/hook_inventory.h"

namespace xdpcap {

/// A program that uses a hook, on an interface.
struct TargetInterface {
  std::uint32_t ifindex = 0;
  std::string interface;
  InterfaceState state = InterfaceState::Down;
  std::uint32_t running_id = 0;  ///< what the interface runs: the program, or what leads to it
  ProgramName program;
  bool operator==(const TargetInterface&) const = default;
};

/// Where the users of a hook run.
std::vector<TargetInterface> target_interfaces(const std::vector<HookUser>& users);

/// Sentences on what is different, without full stop.  `interfaces` are those there are now.
std::vector<std::string> describe_changes(const std::vector<TargetInterface>& before,
                                          const std::vector<TargetInterface>& now,
                                          const std::vector<Interface>& interfaces);

class TargetWatch {
 public:
  /// Ownership: borrows `hook`.
  explicit TargetWatch(const Hook& hook) : hook_(hook) {}

  /// To be called once a second.
  std::vector<std::string> look();

 private:
  std::optional<std::vector<TargetInterface>> find_interfaces() const;

  const Hook& hook_;
  bool is_blind_ = false;  ///< which programs use the hook may not be asked for
  std::optional<std::vector<TargetInterface>> targets_;
  std::vector<Interface> interfaces_;  ///< with XDP programs
  int looks_ = 0;
};

}  // namespace xdpcap
