// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/lift.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <ranges>
#include <utility>

#include "base/overloaded.h"
#include "cbpfc/graph/registers.h"

namespace cbpfc::optimizer {
namespace {

/// A, X, the scratch slots and one that expand_ancillary() uses, by number.
constexpr std::size_t kA = 0;
constexpr std::size_t kX = 1;
constexpr std::size_t kScratch = 2;
constexpr std::size_t kVariables = kScratch + kScratchSlots + 1;

/// What one expression may be computed from: more of it goes into a cell.
constexpr std::uint32_t kMostParts = 16;
constexpr std::uint32_t kMostCells = 2;

/// Blocks that may be lifted again for the sake of what is known at a join.
constexpr std::size_t kMostCopiedBlocks = 8;

using Variables = std::array<ValueId, kVariables>;
using VariableSet = std::uint32_t;  ///< bit i: variable i

std::size_t variable(Register r) {
  return r == Register::A ? kA : kX;
}

/// What a step reads and writes, as sets of variables.
struct Access {
  VariableSet reads = 0;
  VariableSet writes = 0;
};

Access access_of(const Step& step) {
  const RegisterUse use = use_of(step);  // A and X have the same numbers there
  Access access{.reads = use.reads, .writes = use.writes};
  if (const auto* load = std::get_if<LoadScratch>(&step)) {
    access.reads |= 1U << (kScratch + load->slot);
  } else if (const auto* store = std::get_if<StoreScratch>(&step)) {
    access.writes |= 1U << (kScratch + store->slot);
  }
  return access;
}

VariableSet read_by(const Exit& exit) {
  const auto* branch = std::get_if<Branch>(&exit);
  if (branch != nullptr) {
    return 1U << kA | (branch->operand.is_x ? 1U << kX : 0U);
  }
  return std::holds_alternative<ReturnA>(exit) ? 1U << kA : 0U;
}

/// The variables some path reads before writing them, at the entry of each block.
std::vector<VariableSet> live_at_entry(const Cfg& cfg) {
  std::vector<VariableSet> live(cfg.blocks.size(), 0);
  for (BlockId id = cfg.blocks.size(); id-- > 0;) {
    const Block& block = cfg.blocks[id];
    for (const BlockId next : successors(block.exit)) {
      live[id] |= live[next];
    }
    live[id] |= read_by(block.exit);
    for (const Step& step : std::views::reverse(block.steps)) {
      const Access access = access_of(step);
      live[id] = (live[id] & ~access.writes) | access.reads;
    }
  }
  return live;
}

/// Blocks that can be reached from `from`, at most `most`.
std::size_t count_ahead(const Cfg& cfg, BlockId from, std::size_t most) {
  std::vector<BlockId> seen = {from};
  for (std::size_t i = 0; i < seen.size() && seen.size() < most; ++i) {
    for (const BlockId next : successors(cfg.blocks[seen[i]].exit)) {
      const bool is_return =
          successors(cfg.blocks[next].exit).empty() && cfg.blocks[next].steps.empty();
      if (!is_return && std::ranges::find(seen, next) == seen.end()) {
        seen.push_back(next);
      }
    }
  }
  return seen.size();
}

/// The node at which a path that returns a value goes on.
using Exits = std::function<NodeId(ValueId)>;

class Lifter {
 public:
  Lifter(const Cfg& cfg, const PacketRules& rules, Exits exit, Graph& graph)
      : cfg_(cfg),
        rules_(rules),
        exit_(std::move(exit)),
        graph_(graph),
        zero_(graph.values.constant(0)),
        live_(live_at_entry(cfg)),
        arrivals_(cfg.blocks.size()),
        efforts_(graph.values, rules) {}

  NodeId run() {
    Variables start;
    start.fill(zero_);
    const NodeId entry = arrive(0, start);
    for (BlockId id = 0; id < cfg_.blocks.size(); ++id) {
      if (!arrivals_[id].empty()) {
        lift_arrivals(id);
        arrivals_[id].clear();
      }
    }
    return entry;
  }

 private:
  /// A path that comes to a block: the node to fill in, and what it knows.
  struct Arrival {
    NodeId from;
    Variables variables;
  };

  NodeId arrive(BlockId block, const Variables& variables) {
    const NodeId from = forward();
    arrivals_[block].push_back({.from = from, .variables = variables});
    // What is not read any more does not tell arrivals apart.
    for (std::size_t i = 0; i < kVariables; ++i) {
      if ((live_[block] >> i & 1) == 0) {
        arrivals_[block].back().variables[i] = zero_;
      }
    }
    return from;
  }

  /// A node to be led somewhere.
  NodeId forward() { return graph_.add(Forward{.next = 0}); }

  void lead(NodeId from, NodeId to) { std::get<Forward>(graph_.nodes[from]).next = to; }

  void lift_arrivals(BlockId id) {
    std::map<Variables, std::vector<NodeId>> groups;
    for (const Arrival& arrival : arrivals_[id]) {
      groups[arrival.variables].push_back(arrival.from);
    }
    const std::size_t copies = groups.size() - 1;
    if (copies > 0 && (copies > kMostCopiedBlocks ||
                       count_ahead(cfg_, id, kMostCopiedBlocks + 1) * copies > kMostCopiedBlocks)) {
      lift_merged(id);
      return;
    }
    for (const auto& [variables, sources] : groups) {
      const NodeId entry = forward();
      for (const NodeId from : sources) {
        lead(from, entry);
      }
      lift_block(id, entry, variables);
    }
  }

  /// Lifts a block once, with cells for the variables that arrivals disagree on.
  void lift_merged(BlockId id) {
    const std::vector<Arrival>& arrivals = arrivals_[id];
    Variables merged = arrivals.front().variables;
    std::vector<std::size_t> differ;
    for (std::size_t i = 0; i < kVariables; ++i) {
      if (std::ranges::any_of(arrivals,
                              [&](const Arrival& a) { return a.variables[i] != merged[i]; })) {
        differ.push_back(i);
        merged[i] = graph_.values.new_phi();
      }
    }
    const NodeId entry = forward();
    for (const Arrival& arrival : arrivals) {
      NodeId next = entry;
      for (const std::size_t i : differ) {
        next = graph_.add(SetPhi{.phi = merged[i], .value = arrival.variables[i], .next = next});
      }
      lead(arrival.from, next);
    }
    lift_block(id, entry, merged);
  }

  /// Fills in `from` with what block `id` asks.
  void lift_block(BlockId id, NodeId from, Variables variables) {
    const Block& block = cfg_.blocks[id];
    has_ended_ = false;
    for (const Step& step : block.steps) {
      std::visit([&](const auto& s) { lift_step(s, from, variables); }, step);
      if (has_ended_) {
        return;
      }
    }
    const auto to_block = [&](BlockId next) { return arrive(next, variables); };
    std::visit(
        Overloaded{
            [&](const Goto& e) { lead(from, to_block(e.target)); },
            [&](const Branch& e) {
              const NodeId if_true = forward();
              const NodeId if_false = forward();
              const NodeId next = ask(graph_, rules_, e.condition, variables[kA],
                                      operand(e.operand, variables), if_true, if_false);
              lead(from, next);
              // Of a comparison of constants, one arm: the other must not meet others' values.
              if (next != if_false) {
                lead(if_true, to_block(e.if_true));
              }
              if (next != if_true) {
                lead(if_false, to_block(e.if_false));
              }
            },
            [&](const ReturnA&) { lead(from, exit_(variables[kA])); },
            [&](const ReturnConstant& e) { lead(from, exit_(graph_.values.constant(e.value))); },
        },
        block.exit);
  }

  ValueId operand(const Operand& operand, const Variables& variables) {
    return operand.is_x ? variables[kX] : graph_.values.constant(operand.k);
  }

  /// The value as one that is cheap to compute: a cell, where it is not.
  ValueId kept(NodeId& from, ValueId value) {
    const Effort& effort = efforts_.of(value);
    // A register less than there are: a comparison holds its other side meanwhile.
    if (effort.registers < rules_.registers && effort.parts <= kMostParts &&
        effort.cells <= kMostCells) {
      return value;
    }
    const ValueId phi = graph_.values.new_phi();
    const NodeId next = forward();
    lead(from, graph_.add(SetPhi{.phi = phi, .value = value, .next = next}));
    from = next;
    return phi;
  }

  /// Goes on only if the bytes are there; otherwise the filter ends with 0.
  void need(NodeId& from, std::optional<ValueId> index, std::uint32_t offset, std::uint32_t size) {
    const NodeId inside = forward();
    const auto begin = index ? std::int64_t{static_cast<std::int32_t>(offset)} : 0;
    const auto end = index ? begin + size : std::int64_t{offset} + size;
    go_on(from, ask_fits(graph_, rules_, index, begin, end, inside, exit_(zero_)), inside);
  }

  /// From `from` to `asked`, and on at `inside`, unless `asked` is the exit, since there is only one answer.
  void go_on(NodeId& from, NodeId asked, NodeId inside) {
    lead(from, asked);
    from = inside;
    has_ended_ = has_ended_ || asked == exit_(zero_);
  }

  /// The value of a load, after asking for its bytes.
  ValueId load(NodeId& from, Size size, std::optional<ValueId> index, std::uint32_t offset) {
    const ValueId value = graph_.values.load(size, index, offset);
    const PacketLoad simplified = std::get<PacketLoad>(graph_.values[value]);
    need(from, simplified.index, simplified.offset, static_cast<std::uint32_t>(size));
    return kept(from, value);
  }

  void lift_step(const LoadImmediate& s, NodeId&, Variables& v) {
    v[variable(s.dst)] = graph_.values.constant(s.value);
  }
  void lift_step(const LoadAbsolute& s, NodeId& from, Variables& v) {
    v[kA] = load(from, s.size, std::nullopt, s.offset);
  }
  void lift_step(const LoadIndirect& s, NodeId& from, Variables& v) {
    v[kA] = load(from, s.size, v[kX], s.offset);
  }
  void lift_step(const LoadHeaderLength& s, NodeId& from, Variables& v) {
    const ValueId byte = load(from, Size::Byte, std::nullopt, s.offset);
    const ValueId words = graph_.values.arithmetic(AluOp::And, byte, graph_.values.constant(0xf));
    v[kX] = graph_.values.arithmetic(AluOp::Lsh, words, graph_.values.constant(2));
  }
  void lift_step(const LoadLength& s, NodeId&, Variables& v) {
    v[variable(s.dst)] = graph_.values.length();
  }
  void lift_step(const LoadScratch& s, NodeId&, Variables& v) {
    v[variable(s.dst)] = v[kScratch + s.slot];
  }
  void lift_step(const StoreScratch& s, NodeId&, Variables& v) {
    v[kScratch + s.slot] = v[variable(s.src)];
  }
  void lift_step(const Alu& s, NodeId& from, Variables& v) {
    const ValueId right = operand(s.operand, v);
    if (s.op == AluOp::Div || s.op == AluOp::Mod) {
      const NodeId divisible = forward();
      go_on(from, ask_interval(graph_, rules_, right, 0, 0, exit_(zero_), divisible), divisible);
    }
    v[kA] = kept(from, graph_.values.arithmetic(s.op, v[kA], right));
  }
  void lift_step(const Negate&, NodeId& from, Variables& v) {
    v[kA] = kept(from, graph_.values.arithmetic(AluOp::Sub, zero_, v[kA]));
  }
  void lift_step(const Transfer& s, NodeId&, Variables& v) {
    v[variable(s.dst)] = v[s.dst == Register::A ? kX : kA];
  }
  void lift_step(const LoadContext& s, NodeId&, Variables& v) {
    v[kA] = graph_.values.context(s.offset);
  }
  /// Not a value: each call may return another number.
  void lift_step(const CallHelper& s, NodeId& from, Variables& v) {
    v[kA] = graph_.values.new_phi();
    const NodeId next = forward();
    lead(from, graph_.add(Call{.phi = v[kA], .helper = s.helper, .next = next}));
    from = next;
  }

  const Cfg& cfg_;
  const PacketRules& rules_;
  Exits exit_;
  Graph& graph_;
  ValueId zero_;
  std::vector<VariableSet> live_;
  std::vector<std::vector<Arrival>> arrivals_;
  Efforts efforts_;
  bool has_ended_ = false;  ///< the block that is being lifted, before its exit
};

void remove_forwards(Graph& graph) {
  // Forward nodes form chains; each is followed once and then leads straight to the end of its chain.
  const auto end_of_chain = [&](NodeId id) {
    NodeId last = id;
    while (const auto* forward = std::get_if<Forward>(&graph.nodes[last])) {
      last = forward->next;
    }
    while (auto* forward = std::get_if<Forward>(&graph.nodes[id])) {
      id = std::exchange(forward->next, last);
    }
    return last;
  };
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    if (!std::holds_alternative<Forward>(graph.nodes[id])) {
      for_each_edge(graph.nodes[id], [&](NodeId& target) { target = end_of_chain(target); });
    }
  }
  graph.entry = end_of_chain(graph.entry);
}

}  // namespace

Graph lift_filter(const Cfg& cfg, const PacketRules& rules) {
  Graph graph;
  std::map<ValueId, NodeId> returns;
  const auto exit = [&](ValueId value) {
    const auto [place, is_new] = returns.try_emplace(value, 0);
    if (is_new) {
      place->second = graph.add(Return{.value = value});
    }
    return place->second;
  };
  graph.entry = Lifter(cfg, rules, exit, graph).run();
  remove_forwards(graph);
  return graph;
}

Graph lift_set(std::span<const Cfg> cfgs, const PacketRules& rules) {
  Graph graph;
  graph.entry = graph.add(Return{.value = graph.values.constant(0)});
  for (std::size_t i = cfgs.size(); i-- > 0;) {
    const auto number = static_cast<std::uint32_t>(i + 1);
    const NodeId match = graph.add(Return{.value = graph.values.constant(number)});
    const auto exit = [&, next = graph.entry](ValueId value) {
      return ask_interval(graph, rules, value, 0, 0, next, match);
    };
    graph.entry = Lifter(cfgs[i], rules, exit, graph).run();
  }
  remove_forwards(graph);
  return graph;
}

}  // namespace cbpfc::optimizer
