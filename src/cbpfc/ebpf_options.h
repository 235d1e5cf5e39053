// SPDX-License-Identifier: BSD-3-Clause
//
// What a caller may ask of an eBPF fragment.

#pragma once

#include <cbpfc/compile.h>

namespace cbpfc {

/// Bytes of stack the scratch slots take, from stack_offset_bytes on.
inline constexpr std::uint32_t kScratchBytes = 4 * kScratchSlots;

/// Checks that options are legal by themselves, whatever the filter.
/// Errors: Errc::InvalidArgument, "compile filter: option NAME: why".
Result<void> check_options(const EbpfOptions& options);

/// The error of an option that is not legal.
std::unexpected<Error> invalid_option(std::string_view option, std::string_view why);

}  // namespace cbpfc
