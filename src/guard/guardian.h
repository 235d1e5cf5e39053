// SPDX-License-Identifier: BSD-3-Clause
//
// The guardian: a process beside each capture that takes it out of the hook however it ends.
//
//     xdpcap ──── a pair of sockets ──── xdpcap-guardian
//       │                                   │
//     rings, packets, output              hook, the chain's maps, the lock
//
// The kernel closes a process's descriptors when it dies, whatever killed it; the guardian reads the end of the socket and does what the capture
// would have done (Chain::leave()), within milliseconds.  Also a capture that ends on its own asks its guardian to do it: there is
// one way out of a hook, and it is used every time.  If the guardian has been killed, the capture does it; if both have,
// the next xdpcap on the hook, or the guardian of another capture there.
//
// Besides, four times a second, it looks whether its capture still is where it belongs (slot_watch.h), says that it lives, and
// whether somebody wants the capture to end; and takes out captures of others whose processes have died with their guardians.
//
// It is this program started again under another name, so that it has nothing of the capture's memory, in a session of its own: what a
// terminal sends to xdpcap does not reach it.  It never sees a byte of a packet.
//
// Cost: 6 MiB, most of it shared libraries; four times a second two system calls a slot.
// Tested by: tests/kernel/guard/guardian_test.cc, tests/kernel/faults/killed_test.cc.

#pragma once

namespace xdpcap {

/// The name that main() sees as its own when it is to be a guardian.
inline constexpr const char* kGuardianName = "xdpcap-guardian";
/// Where it finds the socket.
inline constexpr int kGuardianSocket = 3;

/// Guards until the capture has left or died.  The exit code.
int run_guardian(int socket_fd);

}  // namespace xdpcap
