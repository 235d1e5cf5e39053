// SPDX-License-Identifier: BSD-3-Clause
//
// Opening maps pinned in a BPF file system, and saying what is wrong with a path that is none.

#pragma once

#include <string>

#include "kernel/errors.h"
#include "kernel/unique_fd.h"

namespace xdpcap {

/// Opens the map pinned at `path`, for reading and writing.
///
/// Errors: NotFound when the path does not exist; InvalidArgument when it is a directory, not in a
/// BPF file system, or pins a program or link; Permission.
Result<UniqueFd> open_pinned_map(const std::string& path);

/// Waits for its turn among the processes that change the same hook, which lasts until the returned
/// descriptor is closed.
///
/// The lock is flock(2) on the pin's directory, and an agreement among captures only.  Who may not
/// have it, or does not get it within two seconds, gets an empty descriptor and goes on without.
UniqueFd lock_pin(const std::string& path);

}  // namespace xdpcap
