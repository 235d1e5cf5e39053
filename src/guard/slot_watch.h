// SPDX-License-Identifier: BSD-3-Clause
//
// Notices within a quarter of a second what others do to the slots of a capture, and puts it right.
//
// What captures do themselves happens under the hook's lock.  Other tools know no lock: the original xdpcap overwrites a slot when
// it starts and empties it when it ends.  Chain::repair() undoes that.  Somebody who does it again and again, as a second tool of
// this kind would, gets the slot after some rounds: it is no use fighting.
//
// Tested by: tests/kernel/guard/guardian_test.cc, tests/kernel/faults/foreign_test.cc.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "attach/chain.h"
#include "attach/hook_lock.h"

namespace xdpcap {

class SlotWatch {
 public:
  /// Ownership: borrows all, for its life.
  SlotWatch(Chain& chain, const HookLock& lock, std::uint32_t position)
      : chain_(chain), lock_(lock), position_(position) {}

  /// Looks, and repairs.  Sentences on what was found, each once.
  std::vector<std::string> look();

 private:
  std::string describe(const Repair& repair);

  Chain& chain_;
  const HookLock& lock_;
  std::uint32_t position_;
  std::map<Action, int> repairs_;            ///< lately
  std::map<Action, std::string> last_said_;  ///< of slots that are not ours now
  int looks_ = 0;
};

}  // namespace xdpcap
