// SPDX-License-Identifier: BSD-3-Clause
//
// Moves a filter to fixed byte offsets, for encapsulated packets: the program matches when the
// original would match a packet that starts at any of the offsets.
//
//     offsets 14, 34 of F  =  F at 14: match? return : F at 34: match? return : return 0
//
// The smallest offset comes first, because a load outside the packet ends the whole program: a
// packet too short for the larger offsets can still match at the smaller.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <span>
#include <vector>

namespace cbpfc {

/// Concatenates one copy of `filter` for each of `offsets_bytes`, in ascending order, duplicates
/// once.
///
/// Errors: Errc::InvalidArgument when `offsets_bytes` is empty or an offset leaves 32 bits;
/// Errc::Unsupported, naming the instruction, for the packet's length and for ancillary loads,
/// which have no offset; Errc::InvalidProgram when the result is longer than the kernel allows.
Result<Filter> shift_filter(const Filter& filter, std::span<const std::uint32_t> offsets_bytes);

}  // namespace cbpfc
