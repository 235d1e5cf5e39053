// SPDX-License-Identifier: BSD-3-Clause
//
// The XDP programs in which a filter is counted and timed.
//
//     minimal    data and data_end, the filter once, XDP_DROP or XDP_PASS: what is counted
//     copies     data and data_end, the filter N times in a row, the number of matches
//     varying    a loop: a random key of a table into the packet, the filter, the number of matches
//     base       the same loop without the filter
//
// One filter costs a few nanoseconds, the call of a program thirty, and the machine's mood more.  So
// the filter is repeated within a program, and its cost is the difference to the program with one
// copy.  Nothing ties the copies together but the count of matches.
//
// One packet a million times teaches the branch predictor every answer.  That is fair to programs with
// few branches and flatters trees; lists are therefore also timed with keys nobody can predict, drawn
// from a table in a map by a xorshift generator whose state lives in the map, too.
//
// The same programs exist in C for the contender that is compiled by clang (clang_programs.cc): the
// same steps with clang's choice of registers.
//
// Source of the generator: Marsaglia, "Xorshift RNGs", 2003, triple 13, 7, 17.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/ebpf.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace bench {

using Program = std::vector<cbpfc::ebpf::Insn>;

/// The value of the map that `varying` programs read.
inline constexpr std::size_t kKeys = 2048;
struct KeyTable {
  std::uint64_t random = 0;  ///< state of the generator, not 0
  /// Bytes as they go into the packet.
  std::array<std::array<std::uint8_t, 8>, kKeys> keys = {};
};
static_assert(sizeof(KeyTable) == 8 + 8 * kKeys);

/// The generator, as the programs compute it.
std::uint64_t next_random(std::uint64_t random);

/// What a `varying` program does.
struct Varying {
  std::int16_t key_offset = 0;  ///< where in the packet the eight bytes of a key go
  int loops = 0;                ///< packets a run
};
inline constexpr std::size_t kVaryingPacketBytes = 60;  ///< at least

/// What a contender made of one filter.
struct Programs {
  std::size_t emitted_insns = 0;  ///< the filter alone
  Program minimal;
  Program one;      ///< copies, N = 1
  Program many;     ///< copies, N as asked for
  Program varying;  ///< empty if not asked for
  Program varying_base;
};

struct ProgramsWanted {
  int copies = 0;  ///< 0: neither `one` nor `many`
  std::optional<Varying> varying = std::nullopt;
};

/// The programs around cbpfc's own fragments.
/// Errors: those of compile_ebpf().
cbpfc::Result<Programs> fragment_programs(const cbpfc::Filter& filter, bool optimize,
                                          const ProgramsWanted& wanted);

/// What stands in programs for the address of the key table until bind_table().
inline constexpr std::uint64_t kTablePlaceholder = 0x6b65797320676f21;

/// Puts the address of the key table, the only value of the map, where the placeholder stands.
void bind_table(Program& program, int map_fd);

}  // namespace bench
