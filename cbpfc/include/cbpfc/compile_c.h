// SPDX-License-Identifier: BSD-3-Clause
//
// Filter to C: the text of one function that any XDP program, or any program at all, can include.
//
//     std::string text = TRY(compile_c(filter, {.function_name = "is_dns"}));
//
//     #include "is_dns.h"                                     // the text, in a file
//     ...
//     if (is_dns(data, data_end)) return XDP_DROP;            // uint8_t pointers to first and past last byte
//
// The text needs uint8_t, uint16_t, uint32_t and uint64_t, which the including file defines (<stdint.h>, or
// four typedefs), and nothing else.  It compiles without a warning under -Wall -Wextra -Wpedantic
// -Wconversion by gcc and clang for the host, and by clang 14 to 19 for BPF, at every optimisation level;
// there the kernel verifier accepts it (loads relative to X need CAP_PERFMON since Linux 5.8).
//
// A filter of more than some thousand instructions becomes several functions, NAME_part1 and so on, which
// NAME calls.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/compile.h>

#include <cstdint>
#include <string>

namespace cbpfc {

struct COptions {
  std::string function_name = "filter";  ///< an identifier of C, no keyword
  bool no_inline = false;                ///< a function under BPF too, rather than `static inline`
  /// A third parameter, uint32_t packet_length: what LoadLength gives, for packets of which
  /// data .. data_end is only a part.  Otherwise it gives that part's length.
  bool packet_length = false;
  /// Under BPF, upper bound of data - ctx->data, for filters over a packet inside another; at most 16,383.
  std::uint32_t packet_start_offset_bytes = 0;
  /// As EbpfOptions::optimize.  Without it, a list of hundreds of terms can be more than the verifier follows.
  bool optimize = true;
  /// As for eBPF; `context` and `helpers` have no meaning in C.
  AncillaryOptions ancillary = {};
};

/// Compiles a filter to the text of a C function
///
///     static inline uint32_t NAME(const uint8_t *data, const uint8_t *data_end)
///
/// that returns the filter's value, 0 for no match.
///
/// Errors: Errc::InvalidArgument for options that are not legal, naming the option; Errc::Unsupported,
/// naming the instruction and what it loads, for ancillary loads.
Result<std::string> compile_c(const Filter& filter, const COptions& options = {});

}  // namespace cbpfc
