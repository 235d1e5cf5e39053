// SPDX-License-Identifier: BSD-3-Clause
//
// The parts of a chain for captures that may not look objects up by their ids (CAP_SYS_ADMIN): guardians hand them out.
//
//     /run/xdpcap/<map id of the hook>.<random digits>.sock       connect, receive one message of Parts
//
// Who may connect is the socket's user, and root.  What comes is checked by Chain::adopt().
//
// A guardian that is killed leaves its socket; the next guardian that starts takes it away, whatever hook it is of.  A
// socket refuses connections only if its guardian is dead, since it gets its name when the guardian listens.  No process
// id is asked for: guardians in several containers, with the same ids, may share the directory.
//
// Tested by: tests/kernel/guard/chain_service_test.cc, tests/kernel/faults/killed_test.cc.

#pragma once

#include <optional>
#include <string>

#include "attach/chain.h"
#include "attach/hook.h"

namespace xdpcap {

class ChainService {
 public:
  /// Listens in `directory`, and takes the sockets of dead guardians out of it.
  /// Errors: Io, Permission, InvalidArgument for a path too long; naming the socket.
  static Result<ChainService> listen(const std::string& directory, const Hook& hook);

  ChainService(ChainService&& other) noexcept = default;
  ChainService& operator=(ChainService&&) = delete;
  ChainService(const ChainService&) = delete;
  ChainService& operator=(const ChainService&) = delete;
  ~ChainService();  ///< takes the socket away

  int fd() const { return fd_.get(); }
  /// Answers one who has connected, if any.
  void answer(const Chain& chain) const;

 private:
  ChainService(UniqueFd fd, UniqueFd directory, std::string name)
      : fd_(std::move(fd)), directory_(std::move(directory)), name_(std::move(name)) {}
  UniqueFd fd_;
  UniqueFd directory_;  ///< which a guardian that has given up its rights may not find by its path
  std::string name_;
};

/// Asks the guardians on `hook` in turn; nullopt: none answers.
std::optional<ChainParts> ask_for_chain(const std::string& directory, const Hook& hook);

}  // namespace xdpcap
