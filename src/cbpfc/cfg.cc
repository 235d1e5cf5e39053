// SPDX-License-Identifier: BSD-3-Clause
//
// Filter to graph, and the graph as text.
// Tested by: passes_test.cc.

#include "cfg.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "overloaded.h"

namespace cbpfc {
namespace {

std::unexpected<Error> unsupported(std::size_t pc, std::string_view what) {
  return fail(
      Errc::Unsupported,
      fmt::format("instruction {}: {} has no meaning where only the packet's bytes are at hand", pc,
                  what));
}

std::string_view ancillary_name(std::uint32_t offset) {
  constexpr std::array<std::string_view, 16> kNames = {"protocol",
                                                       "packet type",
                                                       "ifindex",
                                                       "netlink attribute",
                                                       "nested netlink attribute",
                                                       "mark",
                                                       "rx queue",
                                                       "hardware type",
                                                       "rx hash",
                                                       "cpu",
                                                       "xor x",
                                                       "VLAN tag",
                                                       "VLAN tag present",
                                                       "payload offset",
                                                       "random",
                                                       "VLAN TPID"};
  return kNames[offset / 4 % kNames.size()];
}

/// Builds one block at a time from the instructions between two block starts.
class Builder {
 public:
  Builder(const Filter& filter, std::uint32_t max_packet_offset)
      : filter_(filter), insns_(filter.insns()), max_packet_offset_(max_packet_offset) {}

  Result<Cfg> build() {
    if (const auto loop = filter_.first_backward_jump()) {
      return fail(Errc::Unsupported, fmt::format("instruction {}: it jumps backwards", *loop));
    }
    find_block_starts();
    for (std::size_t pc = 0; pc < insns_.size(); ++pc) {
      if (starts_block_[pc]) {
        block_at_[pc] = cfg_.blocks.size();
        cfg_.blocks.emplace_back();
      }
    }
    for (std::size_t pc = 0; pc < insns_.size(); ++pc) {
      if (starts_block_[pc]) {
        TRY(fill(cfg_.blocks[block_at_[pc]], pc));
      }
    }
    return std::move(cfg_);
  }

 private:
  /// Marks the entry and every reachable jump target, walking forward once.
  void find_block_starts() {
    starts_block_.assign(insns_.size(), false);
    block_at_.assign(insns_.size(), 0);
    starts_block_[0] = true;
    bool reachable = true;
    for (std::size_t pc = 0; pc < insns_.size(); ++pc) {
      reachable = reachable || starts_block_[pc];
      if (!reachable) {
        continue;
      }
      if (const auto* jump = std::get_if<Jump>(&insns_[pc])) {
        starts_block_[jump->target(pc)] = true;
        reachable = false;
      } else if (const auto* branch = std::get_if<JumpIf>(&insns_[pc])) {
        starts_block_[pc + 1 + branch->skip_true] = true;
        starts_block_[pc + 1 + branch->skip_false] = true;
        reachable = false;
      } else if (std::holds_alternative<ReturnA>(insns_[pc]) ||
                 std::holds_alternative<ReturnConstant>(insns_[pc])) {
        reachable = false;
      }
    }
  }

  /// Whether a load of `length` bytes at `offset` can ever lie inside a packet.
  bool can_be_inside(std::uint32_t offset, std::uint32_t length) const {
    return offset <= max_packet_offset_ && length <= max_packet_offset_ - offset;
  }

  Result<void> fill(Block& block, std::size_t pc) {
    for (;; ++pc) {
      bool ended = false;
      TRY(std::visit(
          Overloaded{
              [&](const Jump& i) { return end(block, ended, Goto{block_at_[i.target(pc)]}); },
              [&](const JumpIf& i) {
                return end(block, ended,
                           Branch{.condition = i.condition,
                                  .operand = i.operand,
                                  .if_true = block_at_[pc + 1 + i.skip_true],
                                  .if_false = block_at_[pc + 1 + i.skip_false]});
              },
              [&](const ReturnA& i) { return end(block, ended, i); },
              [&](const ReturnConstant& i) { return end(block, ended, i); },
              [&](const LoadAncillary& i) -> Result<void> {
                return unsupported(
                    pc, fmt::format("the ancillary load \"{}\"", ancillary_name(i.offset)));
              },
              [&](const LoadAbsolute& i) {
                return add_load(block, ended, i, pc, i.offset, static_cast<std::uint32_t>(i.size));
              },
              [&](const LoadIndirect& i) -> Result<void> {
                if (!can_be_inside(0, static_cast<std::uint32_t>(i.size))) {
                  return end(block, ended, ReturnConstant{.value = 0});
                }
                block.steps.emplace_back(i);
                return {};
              },
              [&](const LoadHeaderLength& i) { return add_load(block, ended, i, pc, i.offset, 1); },
              [&](const auto& i) {
                block.steps.emplace_back(i);
                return Result<void>();
              },
          },
          insns_[pc]));
      if (ended) {
        return {};
      }
      if (starts_block_[pc + 1]) {
        block.exit = Goto{block_at_[pc + 1]};
        return {};
      }
    }
  }

  static Result<void> end(Block& block, bool& ended, const Exit& exit) {
    block.exit = exit;
    ended = true;
    return {};
  }

  Result<void> add_load(Block& block, bool& ended, const Step& load, std::size_t pc,
                        std::uint32_t offset, std::uint32_t length) const {
    if (is_header_relative(offset)) {
      return unsupported(pc, offset >= kNetworkOffset ? "a load relative to the network header"
                                                      : "a load relative to the link-layer header");
    }
    if (!can_be_inside(offset, length)) {
      return end(block, ended, ReturnConstant{.value = 0});
    }
    block.steps.push_back(load);
    return {};
  }

  const Filter& filter_;
  const std::vector<Insn>& insns_;
  std::uint32_t max_packet_offset_;
  std::vector<bool> starts_block_;
  std::vector<BlockId> block_at_;
  Cfg cfg_;
};

std::string print_operand(const Operand& operand) {
  return operand.is_x ? "x" : fmt::format("{:#x}", operand.k);
}
char letter(Register r) {
  return r == Register::A ? 'a' : 'x';
}

std::string print_step(const Step& step) {
  static constexpr std::array<std::string_view, 10> kOps = {
      "+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "%=", "^="};
  const auto size = [](Size s) { return 8 * static_cast<int>(s); };
  return std::visit(
      Overloaded{
          [](const LoadImmediate& s) { return fmt::format("{} = {:#x}", letter(s.dst), s.value); },
          [&](const LoadAbsolute& s) { return fmt::format("a = p{}[{}]", size(s.size), s.offset); },
          [&](const LoadIndirect& s) {
            return fmt::format("a = p{}[x + {}]", size(s.size),
                               static_cast<std::int32_t>(s.offset));
          },
          [](const LoadHeaderLength& s) { return fmt::format("x = 4 * (p8[{}] & 0xf)", s.offset); },
          [](const LoadLength& s) { return fmt::format("{} = length", letter(s.dst)); },
          [](const LoadScratch& s) { return fmt::format("{} = m[{}]", letter(s.dst), s.slot); },
          [](const StoreScratch& s) { return fmt::format("m[{}] = {}", s.slot, letter(s.src)); },
          [](const Alu& s) {
            return fmt::format("a {} {}", kOps[static_cast<std::size_t>(s.op)],
                               print_operand(s.operand));
          },
          [](const Negate&) { return std::string("a = -a"); },
          [](const Transfer& s) { return std::string(s.dst == Register::X ? "x = a" : "a = x"); },
          [](const AbsoluteGuard& s) { return fmt::format("guard p[..{}]", s.end); },
          [](const IndirectGuard& s) {
            return fmt::format("{} x + {}, guard [..{}]{}", s.keep_base ? "same base" : "base =",
                               static_cast<std::int32_t>(s.base), s.proven_end,
                               s.x_is_small ? ", x small" : "");
          },
          [&](const LoadFromBase& s) {
            return fmt::format("a = base{}[{}]", size(s.size), s.offset);
          },
          [](const LoadOpaque& s) {
            return fmt::format("{} = opaque {:#x}", letter(s.dst), s.value);
          },
          [](const DivisorGuard&) { return std::string("guard x != 0"); },
      },
      step);
}

std::string print_exit(const Exit& exit) {
  static constexpr std::array<std::string_view, 4> kConditions = {"==", ">", ">=", "&"};
  return std::visit(
      Overloaded{
          [](const Goto& e) { return fmt::format("goto {}", e.target); },
          [](const Branch& e) {
            return fmt::format("if a {} {} goto {} else {}",
                               kConditions[static_cast<std::size_t>(e.condition)],
                               print_operand(e.operand), e.if_true, e.if_false);
          },
          [](const ReturnA&) { return std::string("return a"); },
          [](const ReturnConstant& e) { return fmt::format("return {:#x}", e.value); },
      },
      exit);
}

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

bool reads(const Step& step, Register r) {
  const bool a = r == Register::A;
  return std::visit(Overloaded{
                        [](const LoadImmediate&) { return false; },
                        [](const LoadAbsolute&) { return false; },
                        [&](const LoadIndirect&) { return !a; },
                        [](const LoadHeaderLength&) { return false; },
                        [](const LoadLength&) { return false; },
                        [](const LoadScratch&) { return false; },
                        [&](const StoreScratch& s) { return s.src == r; },
                        [&](const Alu& s) { return a || s.operand.is_x; },
                        [&](const Negate&) { return a; },
                        [&](const Transfer& s) { return s.dst != r; },
                        [](const AbsoluteGuard&) { return false; },
                        [&](const IndirectGuard& s) { return !a && !s.keep_base; },
                        [](const LoadFromBase&) { return false; },
                        [](const LoadOpaque&) { return false; },
                        [&](const DivisorGuard&) { return !a; },
                    },
                    step);
}

bool writes(const Step& step, Register r) {
  const bool a = r == Register::A;
  return std::visit(Overloaded{
                        [&](const LoadImmediate& s) { return s.dst == r; },
                        [&](const LoadAbsolute&) { return a; },
                        [&](const LoadIndirect&) { return a; },
                        [&](const LoadHeaderLength&) { return !a; },
                        [&](const LoadLength& s) { return s.dst == r; },
                        [&](const LoadScratch& s) { return s.dst == r; },
                        [](const StoreScratch&) { return false; },
                        [&](const Alu&) { return a; },
                        [&](const Negate&) { return a; },
                        [&](const Transfer& s) { return s.dst == r; },
                        [](const AbsoluteGuard&) { return false; },
                        [](const IndirectGuard&) { return false; },
                        [&](const LoadFromBase&) { return a; },
                        [&](const LoadOpaque& s) { return s.dst == r; },
                        [](const DivisorGuard&) { return false; },
                    },
                    step);
}

Result<Cfg> build_cfg(const Filter& filter, std::uint32_t max_packet_offset) {
  return Builder(filter, max_packet_offset).build();
}

std::string dump(const Cfg& cfg) {
  std::string text;
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    const Block& block = cfg.blocks[id];
    if (!block.reachable) {
      continue;
    }
    fmt::format_to(std::back_inserter(text), "{}:\n", id);
    for (const Step& step : block.steps) {
      fmt::format_to(std::back_inserter(text), "  {}\n", print_step(step));
    }
    fmt::format_to(std::back_inserter(text), "  {}\n", print_exit(block.exit));
  }
  return text;
}

std::string check_cfg(const Cfg& cfg) {
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    if (!cfg.blocks[id].reachable) {
      continue;
    }
    for (const BlockId next : successors(cfg.blocks[id].exit)) {
      if (next <= id || next >= cfg.blocks.size() || !cfg.blocks[next].reachable) {
        return fmt::format("block {} leads to {}", id, next);
      }
    }
  }
  return {};
}

}  // namespace cbpfc
