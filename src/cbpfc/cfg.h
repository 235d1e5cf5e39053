// SPDX-License-Identifier: BSD-3-Clause
//
// The compiler's one intermediate form: a graph of blocks over classic instructions and a few
// pseudo-instructions that the passes add.
//
//     filter  --build_cfg-->  Cfg  --run_passes-->  Cfg  --emit_ebpf-->  fragment
//
// Blocks are numbered in program order.  Jumps of a filter the kernel takes go forward, so every edge leads
// to a higher number: one sweep upwards visits predecessors first, one sweep downwards successors first,
// and no analysis needs to iterate.  Loops are written out (block_order.h).
//
// dump() prints a graph completely and stably; the tests of the passes compare its output.

#pragma once

#include <cbpfc/compile.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace cbpfc {

using BlockId = std::size_t;

// Pseudo-instructions.  Each either proves something or ends the program with 0.

/// The packet has at least `end` bytes.
struct AbsoluteGuard {
  std::uint32_t end;
  bool operator==(const AbsoluteGuard&) const = default;
};
/// Sets the base pointer to packet_start + (X + base, modulo 2^32) and proves `proven_end` bytes
/// behind it readable.
struct IndirectGuard {
  std::uint32_t base;
  std::uint32_t proven_end;
  bool x_is_small;  ///< the verifier knows that X + base + proven_end stays below its limit
  bool keep_base;   ///< the base pointer already has this value; only prove more bytes
  bool operator==(const IndirectGuard&) const = default;
};
/// A = the bytes at base pointer + offset, proven readable by an IndirectGuard.
struct LoadFromBase {
  Size size;
  std::uint32_t offset;
  bool operator==(const LoadFromBase&) const = default;
};
/// dst = value, in a way that the verifier does not know the value, see pass_constants.cc.
struct LoadOpaque {
  Register dst;
  std::uint32_t value;
  bool operator==(const LoadOpaque&) const = default;
};
/// A = 32 bits at `offset` of the struct xdp_md.
struct LoadContext {
  std::uint32_t offset;
  bool operator==(const LoadContext&) const = default;
};
/// A = the low 32 bits of what a helper without arguments returns; R0 to R5 are overwritten.
struct CallHelper {
  std::int32_t helper;
  bool operator==(const CallHelper&) const = default;
};
/// In front of a loop: sets the counter of its trips.  A packet of `n` bytes allows
/// constant + windows * ((n >> shift) + 1) of them.
struct StartLoop {
  bool is_followed = false;  ///< the verifier follows the counter and walks each trip
  bool hides_a = false;      ///< A is read in the loop, and the verifier shall know nothing of it
  bool hides_x = false;      ///< the same for X
  std::uint8_t shift = 0;
  std::uint32_t constant = 0;
  std::uint32_t windows = 0;
  std::uint64_t most = 0;  ///< trips that the longest packet allows
  bool operator==(const StartLoop&) const = default;
};
/// At a loop's head: ends the program with 0 when the counter is used up.
struct CountTrip {
  bool is_followed;
  bool operator==(const CountTrip&) const = default;
};
/// X is not 0.
struct DivisorGuard {
  bool operator==(const DivisorGuard&) const = default;
};

using Step = std::variant<LoadImmediate, LoadAbsolute, LoadIndirect, LoadHeaderLength, LoadLength,
                          LoadScratch, StoreScratch, Alu, Negate, Transfer, AbsoluteGuard,
                          IndirectGuard, LoadFromBase, LoadOpaque, LoadContext, CallHelper,
                          StartLoop, CountTrip, DivisorGuard>;

struct Goto {
  BlockId target;
  bool operator==(const Goto&) const = default;
};
struct Branch {
  Condition condition;
  Operand operand;
  BlockId if_true;
  BlockId if_false;
  bool operator==(const Branch&) const = default;
};
using Exit = std::variant<Goto, Branch, ReturnA, ReturnConstant>;

struct Block {
  std::vector<Step> steps;
  Exit exit = ReturnConstant{.value = 0};
  bool reachable = true;       ///< unreachable blocks keep their number and are never emitted
  std::size_t first_insn = 0;  ///< the classic instruction it begins with, for messages
};

struct Cfg {
  std::vector<Block> blocks;  ///< the entry is blocks[0]
};

/// Where `exit` may continue: no, one or two blocks.
std::vector<BlockId> successors(const Exit& exit);

/// What a step reads and writes; the packet and scratch memory are not registers.
bool reads(const Step& step, Register r);
bool writes(const Step& step, Register r);

/// Builds the graph of the reachable part of `filter`.
///
/// A load that lies beyond `max_packet_offset` on its face becomes the end of its block, `ret #0`.
/// Ancillary loads become what `ancillary` makes of them (ancillary.h).
/// Errors: those of check_ancillary(). Ensures: every edge leads to a higher block; every block is reachable.
Result<Cfg> build_cfg(const Filter& filter, std::uint32_t max_packet_offset,
                      const AncillaryOptions& ancillary = {});

/// Checks what every pass must keep: edges exist, lead upwards or to a CountTrip, and reach only reachable
/// blocks.
/// Returns an empty string, or what is wrong.
std::string check_cfg(const Cfg& cfg);

}  // namespace cbpfc
