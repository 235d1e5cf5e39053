// SPDX-License-Identifier: BSD-3-Clause
//
// Makes packets for a filter: some it matches, some it just misses.
//
// A packet runs through the interpreter.  At every comparison whose left side is still bytes of the
// packet (a load, perhaps masked or shifted, or the length), the packet can be changed so that the
// comparison comes out the other way.  Flipping one comparison at a time, at random, walks through
// the filter's paths:
//
//     ldh [12]; jeq #0x800 false   ->   write 08 00 at 12, run again, one comparison further
//
// Works for any filter whose comparisons look at the packet, which all of libpcap's do.

#pragma once

#include <cbpfc/cbpf.h>

#include <random>
#include <vector>

#include "differential/engines.h"

namespace differential {

struct MadePackets {
  std::vector<Packet> matching;
  std::vector<Packet> missing;  ///< each one comparison away from another packet made here
};

/// Explores for `steps` packets from `seed`, longer until one matches; returns at most `most` of
/// each kind, all different in the path they take through the filter.
MadePackets make_packets(const cbpfc::Filter& filter, int steps, std::size_t most,
                         std::uint64_t seed);

}  // namespace differential
