// SPDX-License-Identifier: BSD-3-Clause
//
// `cbpfc-check match`: a filter over a capture file.
//
// Tested by: verify/tests/cli/match.bats, match_files.bats.

#pragma once

#include <cbpfc/result.h>

#include "verify/check/capture_file.h"
#include "verify/check/options.h"

namespace check {

/// The filter for a kind of the capture file's packets.
/// Errors: Errc::InvalidArgument when another link type is asked for, or answers from an Ethernet frame.
cbpfc::Result<command::InputOptions> input_for(const Options& options, const PacketKind& kind);

/// Counts what matches: the number in one line, then what they were of; for a set, a line for each filter.
/// Writes it, if that is asked for.  A file that ends early has given what it had, and there is a warning.
/// Errors: those of reading the filter, of compiling it, of the engine, of writing.
cbpfc::Result<Outcome> match_file(const Options& options);

}  // namespace check
