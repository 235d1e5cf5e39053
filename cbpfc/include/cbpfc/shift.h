// SPDX-License-Identifier: BSD-3-Clause
//
// Moves a filter to fixed byte offsets, for encapsulated packets: one copy of it after the other,
// each reading the packet as if it began at its offset.
//
//     offsets 14, 34 of F  =  F at 14: match? return : F at 34: match? return : return 0
//
// The smallest offset comes first, because a load outside the packet ends the whole program, as it
// does in every classic program: a packet too short for a larger offset can still match at a
// smaller one, but not the other way round.

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
/// which have no offset, and for backward jumps; Errc::InvalidProgram when the result is longer than the kernel allows.
Result<Filter> shift_filter(const Filter& filter, std::span<const std::uint32_t> offsets_bytes);

}  // namespace cbpfc
