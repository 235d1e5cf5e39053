// SPDX-License-Identifier: BSD-3-Clause
//
// A capture's side of its guardian (guardian.h).

#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>

#include "attach/chain_place.h"
#include "attach/hook.h"

namespace xdpcap {

class GuardianLink {
 public:
  /// What a guardian says.
  struct Word {
    enum class Kind {
      Notice,  ///< for the user
      End,     ///< the capture is to end, as somebody has asked for
      Failed,  ///< the capture is to end: it cannot go on
      Gone,    ///< the guardian has died
    };
    Kind kind = Kind::Notice;
    std::string text;
  };

  /// Starts a guardian for a place in a chain, and waits until it is at its post.
  /// Errors: what keeps it from starting, as Kernel or Io.
  static Result<GuardianLink> start(const Hook& hook, const ChainPlace& place,
                                    const std::string& run_directory);

  GuardianLink(GuardianLink&& other) noexcept;
  GuardianLink& operator=(GuardianLink&&) = delete;
  GuardianLink(const GuardianLink&) = delete;
  GuardianLink& operator=(const GuardianLink&) = delete;
  ~GuardianLink();  ///< lets it go, and waits a second at most until it has ended, unless leave() has waited in vain

  /// Readable when it has said something; -1 when it is gone.
  int fd() const { return socket_.get(); }
  /// What it has said, if anything.
  std::optional<Word> hear();

  /// Gives it what it needs for explain().
  void give_programs(int counters_fd, const std::map<Action, int>& probes);
  /// Asks it why nothing has been captured; it says so later, with a Notice.
  void explain();

  /// Has it take the capture out of the hook; false: it is gone, or takes too long, and the caller has to.
  /// Errors: those of Chain::leave(), as Kernel.
  Result<bool> leave();

  pid_t pid() const { return pid_; }

 private:
  GuardianLink(UniqueFd socket, pid_t pid) : socket_(std::move(socket)), pid_(pid) {}
  UniqueFd socket_;
  pid_t pid_ = -1;
  bool answers_ = true;
};

}  // namespace xdpcap
