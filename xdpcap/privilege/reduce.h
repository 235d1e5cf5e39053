// SPDX-License-Identifier: BSD-3-Clause
//
// All that a process gives up at once: its user, its capabilities but some, and that others look into its memory.
//
//     const Capability kept[] = {Capability::Bpf, Capability::NetAdmin};
//     TRY(reduce({.user = TRY(find_user("nobody")), .kept = kept}));
//
// The order matters.  Emptying the bounding set takes CAP_SETPCAP, so it comes first; changing the user
// empties the effective set, and the permitted one, too, unless told to keep it (PR_SET_KEEPCAPS), so the
// capabilities that stay are made effective again behind it.
//
// Must come before threads are made: capabilities are a thread's.  After an error the process has less than it
// had and more than it should, and has to end.
//
// Files that are open stay open, whoever may open them.
//
// Its memory will hold packets.  So it leaves no core dump, not even to a program that the kernel would start for it. Other
// processes, also those of the same user, need CAP_SYS_PTRACE to trace it or to read its memory.  Its files in /proc then belong to root; the
// process itself may still read them, but for /proc/self/fdinfo before Linux 5.14, which has to be read before.
//
// Source: Linux v6.18 kernel/cred.c commit_creds(), fs/coredump.c, kernel/ptrace.c __ptrace_may_access(); prctl(2).
// Tested by: xdpcap/tests/privilege/reduce_test.cc.

#pragma once

#include <optional>
#include <span>

#include "xdpcap/kernel/capabilities.h"
#include "xdpcap/privilege/user.h"

namespace xdpcap {

struct Privileges {
  std::optional<User> user;  ///< nullopt: stays who it is
  std::span<const Capability> kept = {};
};

/// Errors: Errc::Permission or Kernel, naming the user where it is one of changing to it; InvalidArgument
/// if another user should keep CAP_SETUID or CAP_SETGID, with which it could go back.
Result<void> reduce(const Privileges& left);

}  // namespace xdpcap
