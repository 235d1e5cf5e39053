// SPDX-License-Identifier: BSD-3-Clause
//
// Or-lists, and the random packets they are timed on.
//
//     hosts           host A or host B ...        random source and destination
//     source hosts    src host A or ...           random source
//     nets            dst net A/24 or ...         random destination
//     ports           tcp dst port A or B ...     random destination port
//
// Half of the keys match.  Those that do not come from the range the list's own terms come from, so that
// no comparison of a prefix tells them apart.
//
// libpcap's optimiser takes a second for 256 hosts, and more than 25 for 1,000, so long lists are also
// measured as libpcap makes them in parts and without it, for all contenders alike: "raw".

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bench/programs/packets.h"
#include "bench/programs/programs.h"

namespace bench {

struct List {
  std::string kind;
  int terms = 0;
  std::string expression;
  bool is_raw = false;  ///< without libpcap's optimiser
  Packet packet;        ///< without a key
  Varying varying;
  KeyTable table;

  /// "256 hosts, raw".
  std::string name() const { return std::to_string(terms) + " " + kind + (is_raw ? ", raw" : ""); }
};

/// The lists of the benchmark, always the same.
std::vector<List> make_lists();

/// The packet with a key in it.
Packet packet_with_key(const List& list, std::size_t key);

/// Which keys of the table the filter matches, by the reference interpreter.
/// Errors: those of cbpfc::interpret().
cbpfc::Result<std::vector<bool>> matching_keys(const List& list, const cbpfc::Filter& filter);

/// How many packets of one run of a `varying` program match, with the generator at `random`.
std::uint32_t matches_of_run(const List& list, const std::vector<bool>& matching,
                             std::uint64_t random);

}  // namespace bench
