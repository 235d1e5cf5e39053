// SPDX-License-Identifier: BSD-3-Clause
//
// `cbpfc --match`: a filter over a capture file.
//
// Tested by: cbpfc/tests/cli/cbpfc_match.bats.

#pragma once

#include <cbpfc/result.h>

#include <optional>
#include <string>

#include "cbpfc/command/cbpfc_input.h"
#include "cbpfc/command/cbpfc_options.h"
#include "verify/check/pcap_file.h"

namespace command {

/// The link type for an expression over the packets of a file.
/// Errors: Errc::InvalidArgument when another one is asked for, or answers from an Ethernet frame.
cbpfc::Result<cbpfc::LinkType> link_type_for(const Options& options, const PcapReader& file);

struct MatchReport {
  /// For standard output: the number of matches in one line, then what they were of; for a set, a
  /// line for each filter.
  std::string text;
  /// Why reading ended before the file's end; what came before is counted and written.
  std::optional<cbpfc::Error> cut = std::nullopt;
};

/// Counts what matches, and writes it if that is asked for.
/// Errors: those of the engine, of writing.
cbpfc::Result<MatchReport> match_file(PcapReader& file, const Subject& subject,
                                      const Options& options);

}  // namespace command
