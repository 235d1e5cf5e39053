// SPDX-License-Identifier: BSD-3-Clause
//
// Characters of UTF-8, in names that may be any bytes.
//
// A name can hold characters that are not shown but obeyed: an escape sequence starts with U+001B or U+009B, and U+202E shows the
// rest of the line backwards.  Text that a person reads has none of them.
//
// Source: RFC 3629, section 4; Unicode 15.1, UnicodeData.txt.
// Tested by: base/tests/utf8_test.cc, json_test.cc, report_test.cc, statistics_text_test.cc.

#pragma once

#include <cstddef>
#include <string_view>

namespace xdpcap::cli {

/// U+FFFD, for what cannot be shown.
inline constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";

/// The length of the character that `text`, which is not empty, starts with; 0 if it starts with none: overlong forms,
/// surrogates and what is above U+10FFFF are none.
std::size_t character_bytes(std::string_view text);

/// The code point of `character`, which is whole.
char32_t code_point(std::string_view character);

/// Whether a terminal or a viewer obeys the character instead of showing it: control characters, line and paragraph separators, and format
/// characters, those that change the direction of writing among them (general categories Cc, Zl, Zp and Cf).
bool is_obeyed(char32_t character);

}  // namespace xdpcap::cli
