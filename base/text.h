// SPDX-License-Identifier: BSD-3-Clause
//
// Text: pieces of messages, words that people write in more than one way, characters of UTF-8 in names that may be any bytes.
//
// A name can hold characters that are not shown but obeyed: an escape sequence starts with U+001B or U+009B, and U+202E shows the
// rest of the line backwards.  Text that a person reads has none of them.
//
// Source: RFC 3629, section 4; Unicode 15.1, UnicodeData.txt.
// Tested by: base/tests/utf8_test.cc, json_test.cc, report_test.cc, statistics_text_test.cc.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace xdpcap {

/// "Invalid argument".
std::string errno_text(int error_number);

/// "1 slot", "5 slots": a number in a message, and what it counts.
std::string counted(std::uint64_t number, std::string_view noun);

/// Of ASCII; other characters stay.
char to_lower(char c);

/// Whether two words differ at most in the case of their ASCII letters.
bool equal_in_any_case(std::string_view a, std::string_view b);

/// Without the ASCII white space around it.
std::string_view trim(std::string_view text);

/// `text` without what exceeds `most_bytes`, cut between two characters of UTF-8.
std::string_view cut_text(std::string_view text, std::size_t most_bytes);

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

}  // namespace xdpcap
