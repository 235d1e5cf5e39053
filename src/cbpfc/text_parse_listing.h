// SPDX-License-Identifier: BSD-3-Clause
//
// The listing form, which has a grammar of its own.

#pragma once

#include <cbpfc/cbpf.h>

#include <string_view>
#include <vector>

namespace cbpfc::text {

/// Whether `text` begins like a listing: "(000) ldh", and not like the expression "(1) and tcp".
bool looks_like_listing(std::string_view text);

/// Reads a listing, one instruction a line.
/// Errors: Errc::Syntax with line and column.
Result<std::vector<RawInsn>> parse_listing(std::string_view text);

}  // namespace cbpfc::text
