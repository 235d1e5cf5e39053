// SPDX-License-Identifier: BSD-3-Clause
//
// Jump distances, with islands where a distance is too long.
//
// A jump holds a signed 16-bit distance.  Where a target is further away, the jump goes to an island on
// the way instead, a second jump that ordinary flow steps over:
//
//     far:  if r1 == 0 goto far_target          if r1 == 0 goto island
//           ... 40,000 instructions             ... 20,000 instructions
//                                               goto +2                  step over the islands
//                                       island: goto far_target
//                                               goto other_target
//                                               ... 20,000 instructions
//
// Islands stand together, at multiples of kStride, so that jumps to one target share one.  They are instructions and
// labels like others: what is too far then, an island that has not arrived or a jump that islands have pushed away from its
// own, gets another island in the next round.
//
// Cost: O(instructions) a round, a round for each 24,000 instructions of the longest jump.  (Linux 6.6 has a jump with a
// 32-bit distance; islands work everywhere and cost only programs of that size.)
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst.
// Tested by: ebpf_test.cc.

#include <fmt/core.h>

#include <map>
#include <utility>

#include "cbpfc/emit/ebpf_jumps.h"
#include "cbpfc/emit/ebpf_opcodes.h"

namespace cbpfc::ebpf {
namespace {

/// Instructions between the places where islands may be.
constexpr std::size_t kStride = 10'000;

/// How far a jump goes, with room for what the kernel makes of the instructions in between: it replaces loads from the
/// context and calls by several, and refuses a program in which a distance then does not fit any more.
constexpr std::ptrdiff_t kReach = 30'000;
/// How far away an island is made at most; others may come in between.
constexpr std::size_t kIslandReach = 24'000;

std::ptrdiff_t distance(const Unplaced& program, const Unplaced::Jump& jump) {
  return static_cast<std::ptrdiff_t>(program.labels[jump.label]) -
         static_cast<std::ptrdiff_t>(jump.insn) - 1;
}

/// The instruction in front of which the island of a jump that goes too far stands.
std::size_t place_of_island(const Unplaced& program, const Unplaced::Jump& jump) {
  const bool goes_up = distance(program, jump) > 0;
  const std::size_t place =
      (goes_up ? jump.insn + kIslandReach : jump.insn - kIslandReach + kStride) / kStride * kStride;
  const bool splits_a_pair = program.insns[place].opcode == 0;  // second half of a 16-byte load
  return place + (splits_a_pair ? 1 : 0);
}

/// Gives jumps that go too far an island; false if there are none.
bool add_islands(Unplaced& program) {
  std::map<std::pair<std::size_t, std::size_t>, std::vector<std::size_t>>
      far;  // place, label -> jumps
  for (std::size_t i = 0; i < program.jumps.size(); ++i) {
    const Unplaced::Jump& jump = program.jumps[i];
    if (std::abs(distance(program, jump)) > kReach) {
      far[{place_of_island(program, jump), jump.label}].push_back(i);
    }
  }
  std::vector<NewGoto> gotos;
  std::vector<std::pair<std::size_t, const std::vector<std::size_t>*>> led_to;  // goto, its jumps
  std::size_t last_place = 0;
  for (const auto& [island, jumps] : far) {
    const auto [place, label] = island;
    const Insn& before = program.insns[place - 1];
    if (place != last_place && !is_goto(before) &&
        before.opcode != (opcode::kJmp | opcode::kExit)) {
      gotos.push_back({.before = place, .label = program.labels.size()});
      program.labels.push_back(place);
    }
    last_place = place;
    led_to.emplace_back(gotos.size(), &jumps);
    gotos.push_back({.before = place, .label = label});
  }
  for (const auto& [number, jumps] : led_to) {
    for (const std::size_t jump : *jumps) {
      program.jumps[jump].label = program.labels.size() + number;
    }
  }
  insert_gotos(program, gotos);
  return !far.empty();
}

}  // namespace

Result<std::vector<Insn>> place(Unplaced program) {
  const std::size_t insns = program.insns.size();
  while (add_islands(program)) {
    if (program.insns.size() > kMaxInsns) {
      return fail(
          Errc::TooLarge,
          fmt::format(
              "assemble: too many jumps further than {} instructions in a program of {}; {}",
              kReach, insns, kHowToShorten));
    }
  }
  for (const Unplaced::Jump& jump : program.jumps) {
    program.insns[jump.insn].offset = static_cast<std::int16_t>(distance(program, jump));
  }
  return std::move(program.insns);
}

}  // namespace cbpfc::ebpf
