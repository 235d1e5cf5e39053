// SPDX-License-Identifier: BSD-3-Clause
//
// One writer for an output.
//
// Two that write into one file corrupt it, each reporting success.  Hence a writer takes a write lock on one byte,
// far behind every end of a file: on file systems on which locks keep readers out (SMB), the packets can
// still be read.  The lock is the process's (fcntl(2), F_SETLK), not the descriptor's, because
//
//     captures started by one shell (`{ xdpcap a - & xdpcap b -; } >file`)      share a descriptor
//     the shell, and a capture's guardian, may outlive the capture              and have it open
//     `flock out.pcap xdpcap HOOK out.pcap`                                     has nothing to do with it
//     the message can name the pid
//
// The price: the lock goes with the first descriptor of the file that the process closes.
//
// Source: POSIX.1-2017 fcntl(); Linux fs/locks.c.
// Tested by: xdpcap/tests/pcapng/file_lock_test.cc, base/tests/whole_file_test.cc, xdpcap/tests/cli/outputs.bats.

#pragma once

#include <cbpfc/result.h>

#include <string>

namespace xdpcap {

/// Locks an output that is open for writing, until the process ends or closes a descriptor of it; before the first
/// write, which may be to empty it.  Devices are for everybody.  `name` is for messages.
/// Returns false where the file system or a security module allows no locks: a second writer is not noticed then.
/// Errors: Errc::Busy naming the process that has it, if it is visible.
cbpfc::Result<bool> lock_output(int fd, const std::string& name);

}  // namespace xdpcap
