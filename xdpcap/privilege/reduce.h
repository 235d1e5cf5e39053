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

#include "base/result.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/privilege/user.h"

namespace xdpcap {

struct Privileges {
  std::optional<User> user;  ///< nullopt: stays who it is
  std::span<const Capability> kept = {};
};

/// Errors: Errc::Permission or Kernel, naming the user where it is one of changing to it; InvalidArgument
/// if another user should keep CAP_SETUID or CAP_SETGID, with which it could go back.
Result<void> reduce(const Privileges& left);

// A program that was given more than the user has who starts it.
//
//     set-user-ID, set-group-ID    refused: options name files, and these would be opened with the rights of the file's owner
//     capabilities of the file     only those are kept that open no files; the user is the one who started it
//
//     setcap cap_bpf,cap_net_admin,cap_perfmon+ep xdpcap      for users who may read and write the pin of the hook
//
// Source: Linux v6.18 security/commoncap.c cap_bprm_creds_from_file(), what sets AT_SECURE; capabilities(7).
// Tested by: xdpcap/tests/kernel/resource_faults/secure_start_test.cc.

/// Checks who starts this process; keeps `kept` of the capabilities that its file has.  Must come before arguments are looked at and
/// before threads are made.
/// Errors: Errc::Permission if it was started set-user-ID or set-group-ID; Kernel.
Result<void> check_start(std::span<const Capability> kept);

}  // namespace xdpcap
