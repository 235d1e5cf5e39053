// SPDX-License-Identifier: BSD-3-Clause
//
// A graph of blocks over classic instructions, and over what stands for ancillary loads.
//
//     filter  --build_cfg-->  Cfg  --lift-->  decision graph
//
// Blocks are numbered in program order.  Jumps of a filter the kernel takes go forward, so every edge leads
// to a higher number: one sweep upwards visits predecessors first, one sweep downwards successors first,
// and no analysis needs to iterate.  Loops are written out (block_order.h).

#pragma once

#include <cbpfc/compile.h>

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

namespace cbpfc {

using BlockId = std::size_t;

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
using Step =
    std::variant<LoadImmediate, LoadAbsolute, LoadIndirect, LoadHeaderLength, LoadLength,
                 LoadScratch, StoreScratch, Alu, Negate, Transfer, LoadContext, CallHelper>;

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
};

struct Cfg {
  std::vector<Block> blocks;  ///< the entry is blocks[0]
};

/// Where `exit` may continue: no, one or two blocks.
std::vector<BlockId> successors(const Exit& exit);

/// Registers that are read, and those that are written afterwards.
struct RegisterUse {
  static constexpr std::uint8_t kA = 1;
  static constexpr std::uint8_t kX = 2;
  std::uint8_t reads = 0;
  std::uint8_t writes = 0;
};
RegisterUse use_of(const Insn& insn);
RegisterUse use_of(const Step& step);

/// Builds the graph of the reachable part of `filter`.
///
/// A load that lies beyond `max_packet_offset` on its face becomes the end of its block, `ret #0`.
/// Ancillary loads become what `ancillary` makes of them (ancillary.h).
/// Errors: those of check_ancillary(). Ensures: every edge leads to a higher block; every block is reachable.
Result<Cfg> build_cfg(const Filter& filter, std::uint32_t max_packet_offset,
                      const AncillaryOptions& ancillary = {});

}  // namespace cbpfc
