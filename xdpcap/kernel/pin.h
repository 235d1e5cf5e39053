// SPDX-License-Identifier: BSD-3-Clause
//
// Pins in a BPF file system, and saying what is wrong with a path that is none.

#pragma once

#include <string>

#include "base/unique_fd.h"
#include "xdpcap/kernel/errors.h"

namespace xdpcap {

/// Opens the map pinned at `path`, for reading and writing.
///
/// Errors: NotFound when the path does not exist; InvalidArgument when it is a directory, not in a
/// BPF file system, or pins a program or link; Permission.
Result<UniqueFd> open_pinned_map(const std::string& path);

/// Pins a map or program at a name below a directory, of which `directory` is the path in messages.
/// Errors: Permission, Kernel.
Result<void> pin_at(int directory_fd, const std::string& directory, const std::string& name,
                    int fd);

/// Opens what is pinned there.
/// Errors: NotFound, Permission, Kernel.
Result<UniqueFd> open_pin_at(int directory_fd, const std::string& directory,
                             const std::string& name);

}  // namespace xdpcap
