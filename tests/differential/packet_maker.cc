// SPDX-License-Identifier: BSD-3-Clause

#include "differential/packet_maker.h"

#include <algorithm>
#include <optional>
#include <set>

#include "cbpfc/machine.h"

namespace differential {
namespace {

using cbpfc::Machine;

/// Where the value in A came from.
struct Origin {
  bool is_length = false;
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
  std::uint32_t mask = 0xffffffff;  ///< applied to the loaded value
  int shift_right = 0;              ///< then
};

/// A comparison that could come out the other way.
struct Flip {
  Origin origin;
  cbpfc::Condition condition = cbpfc::Condition::Equal;
  std::uint32_t right = 0;
  bool held = false;
};

struct Run {
  bool matches = false;
  std::vector<Flip> flips;
  std::vector<Origin> loads;
  std::vector<std::size_t> path;  ///< instructions after which it jumped, with the outcome
};

std::optional<Origin> origin_after(const cbpfc::Insn& insn, const Machine& before,
                                   std::optional<Origin> origin) {
  if (const auto* load = std::get_if<cbpfc::LoadAbsolute>(&insn)) {
    return Origin{.offset = load->offset, .size = static_cast<std::uint32_t>(load->size)};
  }
  if (const auto* load = std::get_if<cbpfc::LoadIndirect>(&insn)) {
    return Origin{.offset = before.x + load->offset,
                  .size = static_cast<std::uint32_t>(load->size)};
  }
  if (const auto* length = std::get_if<cbpfc::LoadLength>(&insn)) {
    return length->dst == cbpfc::Register::A ? std::optional(Origin{.is_length = true}) : origin;
  }
  if (const auto* alu = std::get_if<cbpfc::Alu>(&insn); alu != nullptr && origin) {
    if (alu->op == cbpfc::AluOp::And && !alu->operand.is_x) {
      origin->mask &= alu->operand.k << origin->shift_right;
      return origin;
    }
    if (alu->op == cbpfc::AluOp::Rsh && !alu->operand.is_x) {
      origin->shift_right += static_cast<int>(alu->operand.k);
      return origin;
    }
    return std::nullopt;
  }
  const bool keeps_a = std::holds_alternative<cbpfc::StoreScratch>(insn) ||
                       std::holds_alternative<cbpfc::LoadHeaderLength>(insn) ||
                       std::holds_alternative<cbpfc::Jump>(insn) ||
                       std::holds_alternative<cbpfc::JumpIf>(insn);
  const auto* transfer = std::get_if<cbpfc::Transfer>(&insn);
  const auto* immediate = std::get_if<cbpfc::LoadImmediate>(&insn);
  const auto* scratch = std::get_if<cbpfc::LoadScratch>(&insn);
  const bool writes_x_only = (transfer != nullptr && transfer->dst == cbpfc::Register::X) ||
                             (immediate != nullptr && immediate->dst == cbpfc::Register::X) ||
                             (scratch != nullptr && scratch->dst == cbpfc::Register::X);
  return keeps_a || writes_x_only ? origin : std::nullopt;
}

Run run(const cbpfc::Filter& filter, const Packet& packet) {
  Run result;
  Machine machine{.packet = packet, .wire_length_bytes = static_cast<std::uint32_t>(packet.size())};
  std::optional<Origin> origin;
  while (!machine.ended()) {
    const std::size_t pc = machine.pc;
    const cbpfc::Insn& insn = filter.insns()[pc];
    if (const auto* branch = std::get_if<cbpfc::JumpIf>(&insn)) {
      const std::uint32_t right = machine.value(branch->operand);
      const bool held = machine.holds(branch->condition, right);
      result.path.push_back(2 * pc + (held ? 1 : 0));
      if (origin) {
        result.flips.push_back(
            {.origin = *origin, .condition = branch->condition, .right = right, .held = held});
      }
    }
    origin = origin_after(insn, machine, origin);
    if (origin && (std::holds_alternative<cbpfc::LoadAbsolute>(insn) ||
                   std::holds_alternative<cbpfc::LoadIndirect>(insn))) {
      result.loads.push_back(*origin);
    }
    machine.step(filter);
  }
  result.matches = machine.result.value_or(0) != 0;
  return result;
}

/// A value of A for which the comparison comes out as not `flip.held`, given the value now.
std::uint32_t flipped(const Flip& flip, std::uint32_t random) {
  switch (flip.condition) {
    case cbpfc::Condition::Equal: return flip.held ? flip.right ^ (1U << random % 8) : flip.right;
    case cbpfc::Condition::Greater: return flip.held ? flip.right : flip.right + 1;
    case cbpfc::Condition::GreaterEqual: return flip.held ? flip.right - 1 : flip.right;
    case cbpfc::Condition::AnyBitSet:
      return flip.held ? ~flip.right : flip.right & (~flip.right + 1);
  }
  return 0;
}

/// Writes `value` where the left side of the comparison came from.
void apply(const Origin& origin, std::uint32_t value, Packet& packet) {
  constexpr std::size_t kMostBytes = 2000;
  if (origin.is_length) {
    packet.resize(std::min<std::size_t>(value, kMostBytes));
    return;
  }
  if (origin.offset > packet.size() || origin.size > packet.size() - origin.offset) {
    return;
  }
  std::uint32_t bytes = 0;
  for (std::uint32_t i = 0; i < origin.size; ++i) {
    bytes = bytes << 8 | packet[origin.offset + i];
  }
  bytes = (bytes & ~origin.mask) | (value << origin.shift_right & origin.mask);
  for (std::uint32_t i = origin.size; i-- > 0; bytes >>= 8) {
    packet[origin.offset + i] = static_cast<std::uint8_t>(bytes);
  }
}

}  // namespace

MadePackets make_packets(const cbpfc::Filter& filter, int steps, std::size_t most,
                         std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto start = [&] {
    Packet packet(100);
    for (std::uint8_t& byte : packet) {
      byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : 0);
    }
    packet[14] = 0x45;  // a usual IPv4 header length, where there is one
    return packet;
  };
  MadePackets made;
  std::set<std::vector<std::size_t>> seen;
  Packet packet = start();
  constexpr int kPatience = 100;  // times `steps` for the first match
  for (int step = 0; step < steps || (made.matching.empty() && step < kPatience * steps); ++step) {
    const Run result = run(filter, packet);
    std::vector<Packet>& kind = result.matches ? made.matching : made.missing;
    if (kind.size() < most && seen.insert(result.path).second) {
      kind.push_back(packet);
    }
    if (result.flips.empty() || random() % 64 == 0) {
      packet = start();
      continue;
    }
    // Comparisons of computed values cannot be flipped; chance may do it.
    if (!result.loads.empty() && random() % 8 == 0) {
      apply(result.loads[random() % result.loads.size()], static_cast<std::uint32_t>(random() % 64),
            packet);
      continue;
    }
    // The last comparison most often: it is what stands between a near miss and a match.
    const std::size_t last = result.flips.size() - 1;
    const Flip& flip = result.flips[random() % 3 != 0 ? last : random() % result.flips.size()];
    apply(flip.origin, flipped(flip, static_cast<std::uint32_t>(random())), packet);
  }
  return made;
}

}  // namespace differential
