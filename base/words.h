// SPDX-License-Identifier: BSD-3-Clause
//
// Words from the command line that people write in more than one way.

#pragma once

#include <string_view>

namespace xdpcap::cli {

/// Whether two words differ at most in the case of their ASCII letters.
bool equal_in_any_case(std::string_view a, std::string_view b);

/// Without the ASCII white space around it.
std::string_view trim(std::string_view text);

}  // namespace xdpcap::cli
