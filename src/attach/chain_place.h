// SPDX-License-Identifier: BSD-3-Clause
//
// A capture's place in a chain, from its reservation (join_chain.h) until it is left: by leave(), at the latest when
// the object goes.
//
// Tested by: tests/kernel/hook_capture_test.cc, tests/kernel/chain_test.cc.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "attach/chain.h"
#include "attach/hook_lock.h"

namespace xdpcap {

class ChainPlace {
 public:
  /// Ownership: borrows `lock`, whose turns all changes are made in.
  ChainPlace(Chain chain, std::uint32_t position, const ProcessIdentity& process,
             const HookLock& lock)
      : chain_(std::move(chain)), position_(position), process_(process), lock_(&lock) {}
  ChainPlace(ChainPlace&& other) noexcept;
  ChainPlace& operator=(ChainPlace&& other) noexcept;
  ChainPlace(const ChainPlace&) = delete;
  ChainPlace& operator=(const ChainPlace&) = delete;
  ~ChainPlace();  ///< leaves, silently

  Chain& chain() { return chain_; }
  const Chain& chain() const { return chain_; }
  std::uint32_t position() const { return position_; }
  const ProcessIdentity& process() const { return process_; }

  /// Chain::enter().
  Result<void> enter(const std::map<Action, int>& programs, bool takes_over);
  /// Chain::replace().
  Result<void> replace(const std::map<Action, int>& programs);
  /// Chain::leave(), once.
  Result<void> leave();
  /// Says that somebody else, a guardian, has done what leave() does.
  void note_left() { has_left_ = true; }
  /// Whether nobody has taken the capture out of the chain.
  bool is_held() const;

 private:
  Chain chain_;
  std::uint32_t position_;
  ProcessIdentity process_;
  const HookLock* lock_;
  bool has_left_ = false;  ///< or was moved from
};

}  // namespace xdpcap
