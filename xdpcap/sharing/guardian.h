// SPDX-License-Identifier: BSD-3-Clause
//
// The guardian: a process beside each capture that makes all changes to the hook, and takes the capture out however it ends.
//
//     xdpcap ──── a pair of sockets ──── xdpcap-guardian
//       │                                   │
//     rings, packets, output              hook, chain, programs
//
// xdpcap opens and checks the hook, makes the maps of the capture, and forks: the guardian takes the place in the chain, loads the
// programs and fills the slots; the capture closes the hook, and has neither a descriptor nor a right that could change it.
// When the capture asks for it, or dies, the guardian empties the slots: there is one way out of a hook, and it is used every
// time.  It never sees a byte of a packet.
//
// Besides, four times a second, it looks whether its slots still lead to the capture, and whether another process wants it to end;
// once a second it takes out captures of others that have died together with their guardians.
//
// If the guardian is killed, the capture ends, and the next xdpcap on the hook, or the guardian of another capture, takes out
// what is left: until then programs return their action, and count packets that match as lost.  Programs that the kernel
// makes inert when their process dies are possible (a private program array in between), and cost every packet 11 ns more: that
// is more than a capture costs, for a case that takes two kills, so it is not done (docs/performance.md).
//
// Cost: a fork; four times a second two system calls a slot.
// Tested by: xdpcap/tests/kernel/sharing/guardian_test.cc, xdpcap/tests/kernel/faults/killed_test.cc.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "xdpcap/sharing/hook_capture.h"
#include "xdpcap/sharing/message.h"

namespace xdpcap {

inline constexpr const char* kGuardianName = "xdpcap-guardian";

struct GuardianOptions {
  const Hook& hook;
  const cbpfc::Filter& filter;
  JoinOptions join;
  bool explains = false;  ///< it may be asked why nothing was captured
  int filter_fd = -1;     ///< memory in which other filters come, as instructions; -1: none come
  int output_fd = -1;     ///< which the guardian closes, so that a reader sees its end
};

/// A capture's side of its guardian.
class Guardian {
 public:
  /// Forks it off; `capture` has its maps.  Must come before threads are made.
  /// Errors: Kernel when there can be no process.
  static Result<Guardian> start(HookCapture& capture, const GuardianOptions& options);

  Guardian(Guardian&& other) noexcept;
  ~Guardian();  ///< lets it go, and waits a second at most until it has ended, unless ask() has waited in vain

  /// Readable when it has said something; -1 when it is gone.
  int fd() const { return socket_.get(); }
  pid_t pid() const { return pid_; }

  /// What it has said, if anything; once: End, when it is gone.
  std::optional<Message> hear();
  /// Tells it something that is not answered at once.
  /// Thread safety: may be called beside everything else.
  Result<void> tell(MessageKind kind, const std::string& text = {}) const;
  /// Waits for the answer to `kind`, or without one to its start, as long as it works; but three seconds for Leave.  What it says
  /// before is dropped.
  /// Errors: those that the guardian reports; Kernel when it is gone; Busy when it is stopped, or a signal that ends xdpcap has come.
  Result<std::string> ask(std::optional<MessageKind> kind);

 private:
  Guardian(UniqueFd socket, pid_t pid) : socket_(std::move(socket)), pid_(pid) {}
  UniqueFd socket_;
  pid_t pid_;
  bool answers_ = true;
};

}  // namespace xdpcap
