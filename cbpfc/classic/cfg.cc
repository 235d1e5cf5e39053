// SPDX-License-Identifier: BSD-3-Clause
//
// Filter to graph.
// Tested by: cbpfc/tests/golden/lift.

#include "cbpfc/classic/cfg.h"

#include <algorithm>
#include <optional>

#include "base/overloaded.h"
#include "cbpfc/classic/ancillary.h"
#include "cbpfc/classic/block_order.h"

namespace cbpfc {
namespace {

/// Builds one block at a time from the lines between two block starts.
class Builder {
 public:
  Builder(std::vector<Line> lines, std::uint32_t max_packet_offset)
      : lines_(std::move(lines)), max_packet_offset_(max_packet_offset) {}

  Cfg build() {
    find_block_starts();
    for (std::size_t at = 0; at < lines_.size(); ++at) {
      if (starts_block_[at]) {
        block_at_[at] = cfg_.blocks.size();
        cfg_.blocks.emplace_back();
      }
    }
    for (std::size_t at = 0; at < lines_.size(); ++at) {
      if (starts_block_[at]) {
        fill(cfg_.blocks[block_at_[at]], at);
      }
    }
    unroll_loops(cfg_);
    return std::move(cfg_);
  }

 private:
  /// Marks the entry and every reachable jump target.
  void find_block_starts() {
    starts_block_.assign(lines_.size(), false);
    block_at_.assign(lines_.size(), 0);
    std::vector<bool> seen(lines_.size());
    std::vector<std::size_t> open;
    const auto start = [&](std::size_t at) {
      if (!starts_block_[at]) {
        starts_block_[at] = true;
        open.push_back(at);
      }
    };
    start(0);
    while (!open.empty()) {
      std::size_t at = open.back();
      open.pop_back();
      for (bool goes_on = true; goes_on && !seen[at]; ++at) {
        seen[at] = true;
        const Line& line = lines_[at];
        const bool branches = std::holds_alternative<JumpIf>(line.insn);
        if (branches || std::holds_alternative<Jump>(line.insn)) {
          start(line.if_true);
        }
        if (branches) {
          start(line.if_false);
        }
        goes_on = !branches && !std::holds_alternative<Jump>(line.insn) &&
                  !std::holds_alternative<ReturnA>(line.insn) &&
                  !std::holds_alternative<ReturnConstant>(line.insn);
      }
    }
  }

  /// Whether a load of `length` bytes at `offset` can ever lie inside a packet.
  bool can_be_inside(std::uint32_t offset, std::uint32_t length) const {
    return offset <= max_packet_offset_ && length <= max_packet_offset_ - offset;
  }

  void fill(Block& block, std::size_t at) {
    for (;; ++at) {
      const std::optional<Exit> exit = add_line(block, lines_[at]);
      if (exit) {
        block.exit = *exit;
        return;
      }
      if (starts_block_[at + 1]) {
        block.exit = Goto{block_at_[at + 1]};
        return;
      }
    }
  }

  /// Appends a line; gives the block's exit if it is the last.
  std::optional<Exit> add_line(Block& block, const Line& line) const {
    const auto add = [&](const Step& step) -> std::optional<Exit> {
      block.steps.push_back(step);
      return std::nullopt;
    };
    const auto add_load = [&](const Step& step, std::uint32_t offset,
                              std::uint32_t length) -> std::optional<Exit> {
      return can_be_inside(offset, length) ? add(step) : ReturnConstant{.value = 0};
    };
    return std::visit(
        Overloaded{
            [&](const Jump&) -> std::optional<Exit> { return Goto{block_at_[line.if_true]}; },
            [&](const JumpIf& i) -> std::optional<Exit> {
              return Branch{.condition = i.condition,
                            .operand = i.operand,
                            .if_true = block_at_[line.if_true],
                            .if_false = block_at_[line.if_false]};
            },
            [&](const ReturnA& i) -> std::optional<Exit> { return i; },
            [&](const ReturnConstant& i) -> std::optional<Exit> { return i; },
            [&](const LoadAncillary& i) { return add(step_of(i)); },
            [&](const LoadAbsolute& i) {
              return add_load(i, i.offset, static_cast<std::uint32_t>(i.size));
            },
            [&](const LoadIndirect& i) {
              return add_load(i, 0, static_cast<std::uint32_t>(i.size));
            },
            [&](const LoadHeaderLength& i) { return add_load(i, i.offset, 1); },
            [&](const auto& i) { return add(i); },
        },
        line.insn);
  }

  /// Those that expand_ancillary() leaves.
  static Step step_of(const LoadAncillary& load) {
    const ancillary::Load& known = ancillary::at(load.offset);
    if (known.source == ancillary::Source::Context) {
      return LoadContext{.offset = known.number};
    }
    return CallHelper{.helper = static_cast<std::int32_t>(known.number)};
  }

  std::vector<Line> lines_;
  std::uint32_t max_packet_offset_;
  std::vector<bool> starts_block_;
  std::vector<BlockId> block_at_;
  Cfg cfg_;
};

}  // namespace

std::vector<BlockId> successors(const Exit& exit) {
  if (const auto* jump = std::get_if<Goto>(&exit)) {
    return {jump->target};
  }
  if (const auto* branch = std::get_if<Branch>(&exit)) {
    return {branch->if_true, branch->if_false};
  }
  return {};
}

namespace {

constexpr std::uint8_t kA = RegisterUse::kA;
constexpr std::uint8_t kX = RegisterUse::kX;
constexpr std::uint8_t kBoth = kA | kX;

std::uint8_t bit(Register r) {
  return r == Register::A ? kA : kX;
}
std::uint8_t bits(const Operand& operand) {
  return operand.is_x ? kBoth : kA;
}

/// Of instructions and steps.
const Overloaded kUse{
    [](const LoadImmediate& i) { return RegisterUse{.writes = bit(i.dst)}; },
    [](const LoadAbsolute&) { return RegisterUse{.writes = kA}; },
    [](const LoadIndirect&) { return RegisterUse{.reads = kX, .writes = kA}; },
    [](const LoadHeaderLength&) { return RegisterUse{.writes = kX}; },
    [](const LoadLength& i) { return RegisterUse{.writes = bit(i.dst)}; },
    [](const LoadAncillary&) { return RegisterUse{.reads = kBoth, .writes = kA}; },
    [](const LoadContext&) { return RegisterUse{.writes = kA}; },
    [](const CallHelper&) { return RegisterUse{.writes = kA}; },
    [](const LoadScratch& i) { return RegisterUse{.writes = bit(i.dst)}; },
    [](const StoreScratch& i) { return RegisterUse{.reads = bit(i.src)}; },
    [](const Alu& i) { return RegisterUse{.reads = bits(i.operand), .writes = kA}; },
    [](const Negate&) { return RegisterUse{.reads = kA, .writes = kA}; },
    [](const Transfer& i) {
      return RegisterUse{.reads = i.dst == Register::A ? kX : kA, .writes = bit(i.dst)};
    },
    [](const Jump&) { return RegisterUse{}; },
    [](const JumpIf& i) { return RegisterUse{.reads = bits(i.operand)}; },
    [](const ReturnA&) { return RegisterUse{.reads = kA}; },
    [](const ReturnConstant&) { return RegisterUse{}; },
};

}  // namespace

RegisterUse use_of(const Insn& insn) {
  return std::visit(kUse, insn);
}
RegisterUse use_of(const Step& step) {
  return std::visit(kUse, step);
}

Result<Cfg> build_cfg(const Filter& filter, std::uint32_t max_packet_offset,
                      const AncillaryOptions& ancillary) {
  return Builder(TRY(expand_ancillary(filter, ancillary)), max_packet_offset).build();
}

}  // namespace cbpfc
