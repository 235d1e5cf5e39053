// SPDX-License-Identifier: BSD-3-Clause
//
// Makes packets for a filter: some it matches, some it just misses, some that end where it reads.
//
// A packet walks through the filter (walk.h).  Flipping one comparison at a time, at random, leads
// through the filter's paths:
//
//     ldh [12]; jeq #0x800 false   ->   write 08 00 at 12, walk again, one comparison further

#pragma once

#include <cbpfc/cbpf.h>

#include <vector>

#include "verify/differential/engines/engines.h"
#include "verify/differential/generators/dice.h"

namespace differential {

struct MadePackets {
  std::vector<Packet> matching;
  std::vector<Packet> missing;  ///< each one comparison away from another packet made here
};

/// Explores for `steps` packets from `seed`, longer until one matches; returns at most `most` of
/// each kind, all different in the path they take through the filter.
MadePackets make_packets(const cbpfc::Filter& filter, int steps, std::size_t most,
                         std::uint64_t seed);

/// Explores until it has `most` packets of at most 128 bytes that take different paths, or not for long,
/// and cuts each where the filter reads, or just before or behind.  Returns both, at least one.
std::vector<Packet> explore(const cbpfc::Filter& filter, std::size_t most, Dice& dice);

}  // namespace differential
