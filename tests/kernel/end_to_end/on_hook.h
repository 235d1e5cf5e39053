// SPDX-License-Identifier: BSD-3-Clause
//
// What captures have on a hook at a moment, and what they may leave there: processes, a chain, files.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace xdpcap::test {

/// Processes that were started with the hook's path among their arguments.
std::vector<pid_t> processes_on(const std::string& hook_path);
/// Those of them that are guardians.
std::vector<pid_t> guardians_on(const std::string& hook_path);

/// Whether a chain exists, of captures that live or not.
bool has_chain(int hook_fd);

/// Files in a run directory but the lock; none if there is no such directory.
std::vector<std::string> run_files(const std::string& directory);

}  // namespace xdpcap::test
