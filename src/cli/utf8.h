// SPDX-License-Identifier: BSD-3-Clause
//
// Characters of UTF-8, in names that may be any bytes.
//
// Source: RFC 3629, section 4.
// Tested by: tests/unit/cli/json_test.cc, statistics_text_test.cc.

#pragma once

#include <cstddef>
#include <string_view>

namespace xdpcap::cli {

/// U+FFFD, for what cannot be shown.
inline constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";

/// The length of the character that `text`, which is not empty, starts with; 0 if it starts with none: overlong forms,
/// surrogates and what is above U+10FFFF are none.
std::size_t character_bytes(std::string_view text);

/// Whether `character`, which is whole, is one of U+0000 to U+001F and U+007F to U+009F.
bool is_control_character(std::string_view character);

}  // namespace xdpcap::cli
