// SPDX-License-Identifier: BSD-3-Clause
//
// XDP actions from the command line: "pass, XDP_DROP,3".

#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "xdpcap/kernel/action.h"

namespace xdpcap::cli {

/// Reads a comma-separated list of names (any case, with or without "XDP" or "XDP_") and numbers.
///
/// The result is in the order of the list, each action once.
/// Errors: Errc::InvalidArgument naming the word and listing the actions there are.
Result<std::vector<Action>> parse_actions(std::string_view list);

}  // namespace xdpcap::cli
