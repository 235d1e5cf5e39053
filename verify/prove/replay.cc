// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/replay.h"

#include <fmt/core.h>

#include "verify/interpreter/interpret.h"

namespace cbpfc::prove {
namespace {

Result<std::uint64_t> wanted_answer(const Claim& claim, std::span<const std::uint8_t> packet,
                                    std::uint32_t wire_length_bytes) {
  std::uint64_t number = 0;
  for (const std::vector<RawInsn>& program : claim.programs) {
    ++number;
    const Filter filter = TRY(Filter::decode(program, Accept::Compiler));
    const std::uint32_t value = TRY(interpret(filter, packet, wire_length_bytes));
    if (claim.meaning == Meaning::Value) {
      return value;
    }
    if (value != 0) {
      return claim.meaning == Meaning::Match ? 1 : number;
    }
  }
  return 0;
}

}  // namespace

Result<Replay> replay(const Claim& claim, const ebpf::EntryState& entry,
                      std::vector<std::uint8_t> packet) {
  Replay replay;
  Counterexample& found = replay.counterexample;
  found.wanted = TRY(wanted_answer(claim, packet, entry.wire_length_bytes));
  ebpf::EntryState start = entry;
  if (claim.labels) {
    start.stops = {claim.labels->match, claim.labels->no_match};
  }
  const auto run = ebpf::interpret(claim.insns, packet, start);
  if (!run) {
    found.given = run.error().message;
    replay.unsafe = true;
  } else {
    std::uint64_t given = run->registers[static_cast<std::size_t>(claim.result)];
    if (claim.labels) {
      given = run->stopped_at == claim.labels->match ? 1 : 0;
      replay.unsafe = given == 0 && run->stopped_at != claim.labels->no_match;
    } else if (!run->is_number[static_cast<std::size_t>(claim.result)]) {
      replay.unsafe = true;
    } else if (claim.meaning == Meaning::Match) {
      given = given != 0 ? 1 : 0;
    }
    found.given = replay.unsafe ? "no answer" : fmt::format("{}", given);
    replay.different = given != found.wanted;
  }
  found.packet = std::move(packet);
  found.wire_length_bytes = entry.wire_length_bytes;
  return replay;
}

}  // namespace cbpfc::prove
