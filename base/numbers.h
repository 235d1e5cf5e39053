// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers and switches from the command line, for all commands.
//
//     8192   0x2000   0b1010   017 or 0o17 (octal)   8_192
//
// as Go and so the original xdpcap read them, and strictly: no sign, no space, no rest; an underscore only between digits; a unit
// only behind bytes.
//
// Source: https://go.dev/ref/spec#Integer_literals; strconv.ParseUint with base 0.
// Tested by: base/tests/numbers_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <string_view>

namespace xdpcap::cli {

/// Reads a number from `least` to `most`.
/// Errors: Errc::InvalidArgument with the text and the range.
cbpfc::Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least,
                                          std::uint64_t most);

/// Reads a number of bytes from `least` to `most`, with K, M or G behind it (k, m, g) for that many KiB, MiB or GiB.
/// Errors: as parse_number(); the range is in bytes.
cbpfc::Result<std::uint64_t> parse_bytes(std::string_view text, std::uint64_t least,
                                         std::uint64_t most);

/// Reads "true" or "false", also "1", "0", "t", "f" as Go's flag package does.
/// Errors: Errc::InvalidArgument.
cbpfc::Result<bool> parse_bool(std::string_view text);

}  // namespace xdpcap::cli
