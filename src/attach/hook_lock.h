// SPDX-License-Identifier: BSD-3-Clause
//
// Turns among the processes that change a hook.
//
// The kernel has no operation on a slot that depends on what is there, so who looks and then writes must not be disturbed
// by others who do.  Captures and their guardians take turns: flock(2) on one file in a directory that all agree on, for
// the milliseconds of a change.  The kernel ends a turn when its process dies.  What others do to a hook meanwhile is noticed by
// guardians (guard/slot_watch.h).
//
// The file is its user's alone: who may lock it can make everybody wait.
//
// Nobody waits for ever: whoever gets no turn within two seconds, as when another process is stopped in the middle of a
// change, or may not use the file, goes on without.
//
// Tested by: tests/unit/attach/hook_lock_test.cc.

#pragma once

#include <string>

#include "kernel/result.h"
#include "kernel/unique_fd.h"

namespace xdpcap {

/// Where the lock, and the sockets of guardians, are unless another directory is given.
inline constexpr const char* kUsualRunDirectory = "/run/xdpcap";

class HookLock {
 public:
  /// Lasts until the object goes.
  class Turn {
   public:
    explicit Turn(int fd) : fd_(fd) {}
    Turn(Turn&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Turn& operator=(Turn&&) = delete;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn();
    bool is_granted() const { return fd_ >= 0; }

   private:
    int fd_;
  };

  HookLock() = default;  ///< no lock: every turn is refused

  /// Opens the lock in `directory`, which is made if it is missing and its parent exists.
  /// Errors: Errc::Permission, NotFound, Io; naming the file.
  static Result<HookLock> open(const std::string& directory);

  /// Waits for a turn, two seconds at most.  Turns of one object exclude each other only in different processes.
  Turn take() const;

 private:
  explicit HookLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace xdpcap
