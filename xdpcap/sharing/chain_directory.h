// SPDX-License-Identifier: BSD-3-Clause
//
// The directory beside a hook's pin where the captures of one user on it keep what they share.
//
//     /sys/fs/bpf/hook                   the hook
//     /sys/fs/bpf/hook-xdpcap-0/         of user 0, mode 0700; locked (flock(2)) while something is changed
//         state  programs                the two maps of chain_state.h
//         7/                             a capture, at position 7; locked as long as its guardian lives
//             1  2  counters             its programs by action, its counters
//         foreign-1                      the program that was in the slot of action 1 before
//
// The permissions of this directory are all that is trusted: it is used only if it belongs to root or the effective user and is
// open to that user alone, so that user's processes have made all that is in it.  What another user has put at its name is
// moved aside, or refused.
//
// A capture is dead exactly if the lock on its directory can be had: the kernel lets go of a lock when the last process that holds
// it ends.  No process id is asked for, so it does not matter what this process sees of others.
//
// Names are used relative to the directory's descriptor, so that who can rename it cannot put another one in its place.
//
// Limits: bpffs takes no dots in names.
// Source: Linux v6.18 kernel/bpf/inode.c.
// Tested by: xdpcap/tests/kernel/sharing/chain_directory_test.cc.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xdpcap {

class ChainDirectory {
 public:
  static std::string path_for(const std::string& hook_path);

  /// The one there is; nullopt: none.
  /// Errors: Permission when what is there is not to be trusted; Io.
  static Result<std::optional<ChainDirectory>> find(const std::string& hook_path);
  /// The one there is, or a new one.  `notes`: a sentence on what was moved aside.
  /// Errors: Permission, with what to do; NotFound when the hook's pin is gone; Io.
  static Result<ChainDirectory> make(const std::string& hook_path, std::vector<std::string>& notes);

  const std::string& path() const { return path_; }
  bool is_removed() const;

  /// While the object lives, no other process changes anything.  It is waited for two seconds at most, as the process that has it
  /// may have been stopped; then the change is made without.
  using Lock = std::shared_ptr<void>;
  Lock lock() const;

  /// Pins a map or program, in the place of what was pinned there.  Errors: Kernel, Permission.
  Result<void> pin(const std::string& name, int fd) const;
  /// Errors: NotFound, Kernel, Permission.
  Result<UniqueFd> open_pin(const std::string& name) const;
  void remove_pin(const std::string& name) const;

  /// Takes the place of a capture; the lock, as long as the descriptor is open somewhere.  nullopt: taken.
  /// Errors: Io.
  Result<std::optional<UniqueFd>> take_place(std::uint32_t position) const;
  enum class PositionState : std::uint8_t { Free, Held, Dead };
  PositionState state_of(std::uint32_t position) const;
  std::size_t count(PositionState wanted) const;  ///< how many positions are so
  void remove_place(std::uint32_t position) const;

  void remove_contents() const;
  void remove_if_empty() const;
  void remove() const;  ///< with its contents

 private:
  ChainDirectory(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
};

}  // namespace xdpcap
