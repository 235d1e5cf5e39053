// SPDX-License-Identifier: BSD-3-Clause
//
// What captures have on a hook at a moment, and what they may leave there: processes, a chain.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace xdpcap::test {

/// Processes that were started with the hook's path among their arguments.
std::vector<pid_t> processes_on(const std::string& hook_path);
/// Those of them that are guardians.
std::vector<pid_t> guardians_on(const std::string& hook_path);

/// Whether captures of this user that live, or have died, have a directory beside the hook.
bool has_chain(const std::string& hook_path);

}  // namespace xdpcap::test
