// SPDX-License-Identifier: BSD-3-Clause
//
// Pieces of messages.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace xdpcap {

/// "Invalid argument".
std::string errno_text(int error_number);

/// "1 slot", "5 slots": a number in a message, and what it counts.
std::string counted(std::uint64_t number, std::string_view noun);

}  // namespace xdpcap
