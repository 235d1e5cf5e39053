// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/generators/packet_maker.h"

#include <algorithm>
#include <set>

#include "verify/differential/generators/walk.h"

namespace differential {
namespace {

Packet start(Dice& dice, std::size_t bytes) {
  Packet packet(bytes);
  for (std::uint8_t& byte : packet) {
    byte = static_cast<std::uint8_t>(dice.one_in(4) ? dice.word() : 0);
  }
  if (bytes > 14) {
    packet[14] = 0x45;  // a usual IPv4 header length, where there is one
  }
  return packet;
}

/// Changes `packet` so that it takes another path than `taken`; returns whether it could.
bool turn_off(const Walk& taken, Dice& dice, Packet& packet) {
  if (taken.flips.empty()) {
    return false;
  }
  // Comparisons of computed values cannot be flipped; chance may do it.
  if (!taken.loads.empty() && dice.one_in(8)) {
    overwrite(dice.pick(taken.loads), dice.below(64), packet);
    return true;
  }
  // The last comparison most often: it is what stands between a near miss and a match.
  apply(dice.one_in(3) ? dice.pick(taken.flips) : taken.flips.back(), dice, packet);
  return true;
}

/// A length at which some load of the program, or of this walk, is just inside or just outside.
std::size_t telling_length(const cbpfc::Filter& filter, const Walk& taken, Dice& dice) {
  std::size_t end = 0;
  if (!taken.loads.empty() && dice.one_in(2)) {
    const Origin& load = dice.pick(taken.loads);
    end = std::size_t{load.offset} + load.size;
  } else {
    const cbpfc::Insn& insn = dice.pick(filter.insns());
    if (const auto* load = std::get_if<cbpfc::LoadAbsolute>(&insn)) {
      end = std::size_t{load->offset} + static_cast<std::size_t>(load->size);
    } else if (const auto* header = std::get_if<cbpfc::LoadHeaderLength>(&insn)) {
      end = std::size_t{header->offset} + 1;
    } else if (!taken.loads.empty()) {
      end = std::size_t{taken.loads.back().offset} + taken.loads.back().size;
    }
  }
  return end + dice.below(3) - std::min<std::size_t>(end, 1);
}

}  // namespace

MadePackets make_packets(const cbpfc::Filter& filter, int steps, std::size_t most,
                         std::uint64_t seed) {
  constexpr std::size_t kBytes = 100;
  constexpr int kPatience = 100;  // times `steps` for the first match
  Dice dice(seed);
  MadePackets made;
  std::set<std::vector<std::size_t>> seen;
  Packet packet = start(dice, kBytes);
  for (int step = 0; step < steps || (made.matching.empty() && step < kPatience * steps); ++step) {
    const Walk taken = walk(filter, packet);
    std::vector<Packet>& kind = taken.matches ? made.matching : made.missing;
    if (kind.size() < most && seen.insert(taken.path).second) {
      kind.push_back(packet);
    }
    if (dice.one_in(64) || !turn_off(taken, dice, packet)) {
      packet = start(dice, kBytes);
    }
  }
  return made;
}

std::vector<Packet> explore(const cbpfc::Filter& filter, std::size_t most, Dice& dice) {
  constexpr std::uint32_t kMostBytes = 128;
  const auto fresh = [&] { return start(dice, dice.between(dice.one_in(6) ? 0 : 40, kMostBytes)); };
  std::vector<Packet> all;
  std::set<std::vector<std::size_t>> seen;
  Packet packet = fresh();
  for (std::size_t step = 0; step < 3 * most && all.size() < 2 * most; ++step) {
    const Walk taken = walk(filter, packet);
    if (seen.insert(taken.path).second || dice.one_in(4)) {
      all.push_back(packet);
      Packet cut = packet;
      cut.resize(std::min<std::size_t>(telling_length(filter, taken, dice), kMostBytes));
      all.push_back(std::move(cut));
    }
    if (dice.one_in(10) || !turn_off(taken, dice, packet)) {
      packet = fresh();
    }
  }
  return all;
}

}  // namespace differential
