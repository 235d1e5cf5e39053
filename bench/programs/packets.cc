// SPDX-License-Identifier: BSD-3-Clause

#include "bench/programs/packets.h"

#include <fmt/format.h>

#include "verify/differential/engines/ebpf_engine.h"
#include "verify/differential/generators/packet_maker.h"
#include "verify/interpreter/interpret.h"
#include "verify/interpreter/machine.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Filter;
using cbpfc::Result;

/// What an Ethernet frame has at least, without its checksum.
constexpr std::size_t kMinFrameBytes = 60;

constexpr int kSearchSteps = 3000;
constexpr std::size_t kMostPackets = 200;
constexpr std::uint64_t kPacketSeed = 1;

struct Run {
  bool matches = false;
  std::size_t steps = 0;
};

Run run(const Filter& filter, const Packet& packet) {
  cbpfc::Machine machine{.packet = packet,
                         .wire_length_bytes = static_cast<std::uint32_t>(packet.size())};
  Run result;
  while (!machine.ended()) {
    machine.step(filter);
    ++result.steps;
  }
  result.matches = machine.result.value_or(0) != 0;
  return result;
}

/// The packet with zeros up to the least length of a frame, if the filter does not see a difference.
Packet padded(const Filter& filter, Packet packet) {
  if (packet.size() >= kMinFrameBytes) {
    return packet;
  }
  const Run before = run(filter, packet);
  Packet longer = packet;
  longer.resize(kMinFrameBytes);
  return run(filter, longer).matches == before.matches ? longer : packet;
}

Result<Packet> longest(const Filter& filter, const std::vector<Packet>& packets,
                       std::string_view what) {
  const Packet* best = nullptr;
  std::size_t most_steps = 0;
  for (const Packet& packet : packets) {
    const std::size_t steps = run(filter, packet).steps;
    if (packet.size() >= differential::kMinTestRunBytes && steps > most_steps) {
      best = &packet;
      most_steps = steps;
    }
  }
  if (best == nullptr) {
    return cbpfc::fail(Errc::Unsupported,
                       fmt::format("make a packet for the filter: none that {} was found in {} "
                                   "steps, so there is nothing to measure it on",
                                   what, kSearchSteps));
  }
  return padded(filter, *best);
}

}  // namespace

Result<PerPacket<Packet>> longest_packets(const Filter& filter) {
  const differential::MadePackets made =
      differential::make_packets(filter, kSearchSteps, kMostPackets, kPacketSeed);
  PerPacket<Packet> packets;
  packets[PacketKind::Match] = TRY(longest(filter, made.matching, "matches"));
  packets[PacketKind::Miss] = TRY(longest(filter, made.missing, "misses"));
  return packets;
}

}  // namespace bench
