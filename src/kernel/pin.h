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

}  // namespace xdpcap
