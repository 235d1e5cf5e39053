// SPDX-License-Identifier: BSD-3-Clause

#include "attach/chain_place.h"

#include <utility>

namespace xdpcap {

ChainPlace::ChainPlace(ChainPlace&& other) noexcept
    : chain_(std::move(other.chain_)),
      position_(other.position_),
      process_(other.process_),
      lock_(other.lock_),
      has_left_(std::exchange(other.has_left_, true)) {}

// What may throw below leave() is memory running out, and that ends the program anyway.
// NOLINTNEXTLINE(bugprone-exception-escape)
ChainPlace& ChainPlace::operator=(ChainPlace&& other) noexcept {
  if (this != &other) {
    static_cast<void>(leave());
    chain_ = std::move(other.chain_);
    position_ = other.position_;
    process_ = other.process_;
    lock_ = other.lock_;
    has_left_ = std::exchange(other.has_left_, true);
  }
  return *this;
}

// NOLINTNEXTLINE(bugprone-exception-escape): as above
ChainPlace::~ChainPlace() {
  static_cast<void>(leave());
}

Result<void> ChainPlace::enter(const std::map<Action, int>& programs, bool takes_over) {
  const HookLock::Turn turn = lock_->take();
  return chain_.enter(position_, process_, programs, takes_over);
}

Result<void> ChainPlace::replace(const std::map<Action, int>& programs) {
  const HookLock::Turn turn = lock_->take();
  return chain_.replace(position_, process_, programs);
}

Result<void> ChainPlace::leave() {
  if (std::exchange(has_left_, true)) {
    return {};
  }
  const HookLock::Turn turn = lock_->take();
  return chain_.leave(position_, process_);
}

bool ChainPlace::is_held() const {
  const std::optional<ChainMember> member = chain_.member(position_);
  return !has_left_ && member && member->state != chain::State::Free && member->process == process_;
}

}  // namespace xdpcap
