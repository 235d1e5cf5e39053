// SPDX-License-Identifier: BSD-3-Clause
//
// Packets on which the cost of a filter is looked at: of a capture file, or made up.
//
// A matching packet is made up by the prover: asked to show that the filter equals one that never
// matches, it answers with a packet for which it does not.  Misses are matching packets with one byte
// changed; of those the one is taken for which the code runs longest, because a miss in the first
// comparison says little.
//
// Tested by: verify/tests/samples_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "verify/check/capture_file.h"
#include "verify/check/options.h"

namespace check {

struct Sample {
  std::vector<std::uint8_t> bytes;
  std::uint32_t wire_length_bytes = 0;
};

struct Samples {
  std::vector<Sample> matching;
  std::vector<Sample> missing;
  std::string origin;  ///< a line for the reader
};

/// Made-up packets for code with these options, some of each kind or none.  Takes seconds for filters that the prover finds hard.
/// Errors: those of the compiler.
cbpfc::Result<Samples> make_up_samples(const Subject& subject, const cbpfc::EbpfOptions& code);

/// The first packets of each kind in a file.
/// Errors: those of reading it; those of the interpreter.
cbpfc::Result<Samples> take_samples(CaptureReader& file, const Subject& subject,
                                    const cbpfc::EbpfOptions& code);

}  // namespace check
