// SPDX-License-Identifier: BSD-3-Clause
//
// Graph to C: a function of questions and jumps, in topological order.
//
//     0: has p[..14]   yes -> 1  no -> 3      CBPFC_NEED(data, 14u, return 0u);
//     1: p16[12]   0x800 -> 2  else -> 3      if (CBPFC_LOAD16(data + 12) != 0x800u) return 0u;
//     2: return 0x40000                       return 0x40000u;
//
// A label has its node's number in dump(); there is one only where something jumps to it, and none at a return of
// a constant, which is written where it would be jumped to.  Cells are variables, those that do not live at the
// same time one.
//
// clang keeps what it has loaded, from anywhere to anywhere.  With some seventy values that are used again,
// BPF's 512 bytes of stack do not hold them.  And a value that was compared is known on one path and not on
// the other; where they meet and it is compared again, the verifier walks on for each, 2^n times for n values,
// until it has seen a million instructions.  Hence CBPFC_FORGET: when many different values may be kept, and, in
// long filters and those with many cells, wherever paths meet.  There cells get what the verifier does not know.
//
// A jump of BPF reaches 32,767 instructions, and some compilers cut a longer one short without a word.  So
// a long filter is cut into parts, each a function that the verifier follows like any other code:
//
//     static uint64_t f_part2(data, data_end, struct f_state *state, uint32_t at)
//     {
//       uint32_t cell0 = state->cell0;
//       switch (at) { case 1204u: goto n1204; ... }       nodes that earlier parts jump to
//       ...
//     n2411: at = 2411u; goto leave;                      a node of a later part
//     leave:
//       state->cell0 = cell0;
//       return (uint64_t)at << 32;
//     }
//
//     f(data, data_end):  result = f_part1(..., 0u); if (result >> 32 != 0u && result >> 32 < 2410u) result = ...
//
// Jumps go forward, so calling every part once, in order, visits everything.  The upper half of what a part returns is
// 0 where it ends the filter, which is the number of the entry alone.  It comes in a register, so the verifier knows
// with which number it came where, and what had been proven of the packet there.
//
// Tested by: cbpfc/tests/golden/c, verify/differential/c_test.cc.

#include "cbpfc/emit/c/emit_c.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <ranges>
#include <set>
#include <string_view>

#include "cbpfc/emit/c/c_values.h"

namespace cbpfc {
namespace {

using namespace optimizer;

/// Instructions of BPF that a function may come to, less than a jump's reach.
constexpr std::size_t kMostInsns = 28'000;
/// Cases of one node; more are cut into several nodes.
constexpr std::size_t kMostCases = 2'000;
constexpr std::size_t kInsnsOfCase = 6;
constexpr std::size_t kInsnsOfJump = 4;

/// Cases of one number up to which they are compared one by one.
constexpr std::size_t kMostCompared = 3;

/// Values clang may keep; each takes 8 of 512 bytes of stack, and there are the filter's own variables.
constexpr std::size_t kMostKept = 24;
/// Nodes, and cells, up to which the verifier may walk all paths.
constexpr std::size_t kMostTrustedNodes = 128;
constexpr std::size_t kMostTrustedCells = 4;

/// Whether a mask says that `value` is not `k`, which compilers would say, too.
bool cannot_be(const Values& values, ValueId value, std::uint32_t k) {
  const auto* masked = std::get_if<Arithmetic>(&values[value]);
  const auto mask = masked != nullptr ? values.known(masked->right) : std::nullopt;
  return mask && ((masked->op == AluOp::And && (k & ~*mask) != 0) ||
                  (masked->op == AluOp::Or && (k & *mask) != *mask));
}

/// The graph with switches as they can be written.
Graph with_plain_switches(Graph graph) {
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    auto* node = std::get_if<Switch>(&graph.nodes[id]);
    if (node == nullptr) {
      continue;
    }
    std::erase_if(node->cases, [&](const Case& one) {
      return one.low == one.high && cannot_be(graph.values, node->value, one.low);
    });
    if (node->cases.size() > kMostCases) {
      Switch rest = *node;
      rest.cases.erase(rest.cases.begin(), rest.cases.begin() + kMostCases);
      node->cases.resize(kMostCases);
      node->otherwise = static_cast<NodeId>(graph.nodes.size());
      graph.add(std::move(rest));
    }
  }
  return graph;
}

/// By cell, the number of its variable; none for a cell that is not read behind where it is set.
CellSlots find_variables(const Graph& graph, const std::vector<NodeId>& order) {
  std::vector<bool> is_read(graph.values.phis(), false);
  const auto number = [&](ValueId phi) { return std::get<Phi>(graph.values[phi]).number; };
  const std::function<void(ValueId)> read = [&](ValueId value) {
    if (std::holds_alternative<Phi>(graph.values[value])) {
      is_read[number(value)] = true;
    }
    for_each_operand(graph.values[value], read);
  };
  for (const NodeId id : order | std::views::reverse) {
    const auto* set = std::get_if<SetPhi>(&graph.nodes[id]);
    if (set == nullptr || is_read[number(set->phi)]) {
      for_each_value(graph.nodes[id], read);
    }
  }
  CellSlots variables = place_cells(graph, order);
  for (std::size_t cell = 0; cell < variables.size(); ++cell) {
    if (!is_read[cell]) {
      variables[cell].reset();
    }
  }
  return variables;
}

/// Whether `value`, at most `max`, is in an interval, and whether it is not.
std::pair<std::string, std::string> conditions(const std::string& value, const Case& one,
                                               std::uint32_t max) {
  const std::string low = print_number(one.low);
  const std::string high = print_number(one.high);
  if (one.low == one.high) {
    return {fmt::format("{} == {}", value, low), fmt::format("{} != {}", value, low)};
  }
  if (one.low == 0) {
    return {fmt::format("{} <= {}", value, high), fmt::format("{} > {}", value, high)};
  }
  if (one.high >= max) {
    return {fmt::format("{} >= {}", value, low), fmt::format("{} < {}", value, low)};
  }
  return {fmt::format("{0} >= {1} && {0} <= {2}", value, low, high),
          fmt::format("{0} < {1} || {0} > {2}", value, low, high)};
}

class CEmitter {
 public:
  CEmitter(const Graph& graph, const COptions& options)
      : graph_(with_plain_switches(graph)),
        options_(options),
        order_(topological_order(graph_)),
        predecessors_(count_predecessors(graph_, order_)),
        positions_(graph_.nodes.size()),
        arrivals_(graph_.nodes.size()),
        variables_(find_variables(graph_, order_)),
        values_(graph_, options, variables_) {
    for (const auto& variable : variables_) {
      cells_ = std::max(cells_, variable ? *variable + 1U : 0U);
    }
  }

  std::string run() {
    for (std::size_t position = 0; position < order_.size(); ++position) {
      positions_[order_[position]] = position;
    }
    arrivals_[graph_.entry] = Base();
    for (std::size_t position = 0; position < order_.size(); ++position) {
      if (position == 0 || !is_end(order_[position])) {
        write_node(position);
      }
    }
    end_part(order_.size());
    if (parts_.size() == 1) {
      write_signature();
      for (const std::uint32_t cell : parts_.front().names.cells) {
        line("  uint32_t cell{} = 0u;", cell);
      }
      write_locals(parts_.front().names);
      values_.text += parts_.front().text + "}\n";
    } else {
      if (cells_ > 0) {
        line("struct {}_state {{", options_.function_name);
        for (std::uint32_t cell = 0; cell < cells_; ++cell) {
          line("  uint32_t cell{};", cell);
        }
        line("}};\n");
      }
      for (std::size_t number = 0; number < parts_.size(); ++number) {
        write_part(number);
      }
      write_caller();
    }
    return std::move(values_.text);
  }

 private:
  /// A function's text between its variables and its end.
  struct Part {
    std::string text;
    CNames names;
    std::size_t end;  ///< the position behind it
  };
  /// Where a path goes on.
  using Base = std::optional<CValues::Base>;

  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    values_.line(format, std::forward<Args>(args)...);
  }
  bool is_end(NodeId id) const { return graph_.returned_constant(id).has_value(); }
  bool has_many_cells() const { return graph_.values.phis() > kMostTrustedCells; }

  void emit(const Call&) { std::unreachable(); }  // refused by compile_c()
  void emit(const Return& node) { line("  return {};", values_.print(node.value)); }
  void emit(const Forward&) {}

  std::string_view length_parameter() const {
    return options_.packet_length ? ", uint32_t packet_length" : "";
  }

  void write_node(std::size_t position) {
    const NodeId id = order_[position];
    if (values_.insns > kMostInsns) {
      if (std::exchange(falls_, false)) {
        line("  {};", jump_to(id));
      }
      end_part(position);
    }
    if (jumps_.contains(position) || entered_.contains(position)) {
      line("\n{}:", write_label(position));
    }
    falls_ = false;
    values_.base = *arrivals_[id];
    values_.begin_node();
    forget_when_due(position);
    const auto after = std::find_if(order_.begin() + static_cast<std::ptrdiff_t>(position) + 1,
                                    order_.end(), [&](NodeId other) { return !is_end(other); });
    next_ = after != order_.end() ? std::optional(*after) : std::nullopt;
    std::visit([&](const auto& node) { emit(node); }, graph_.nodes[id]);
  }

  /// Makes clang forget where it may keep too much, or the verifier would know too much.
  void forget_when_due(std::size_t position) {
    const bool is_long = order_.size() > kMostTrustedNodes || has_many_cells();
    const bool keeps_too_much = values_.kept.size() > kMostKept;
    if (!keeps_too_much && !(is_long && predecessors_[order_[position]] > 1)) {
      return;
    }
    line("  CBPFC_FORGET;");
    values_.kept.clear();
    if (keeps_too_much) {
      // clang would put off adding up what was loaded, and keep all of it until then.
      for (const std::uint32_t cell : std::exchange(cells_set_, {})) {
        line("  CBPFC_HIDE(cell{});", cell);
      }
    }
  }

  std::string write_label(std::size_t position) const { return fmt::format("n{}", position); }

  /// Ends the function at hand; what it jumps to and does not have is in a later one.
  void end_part(std::size_t end) {
    bool leaves = false;
    for (auto later = jumps_.lower_bound(end); later != jumps_.end(); ++later) {
      line("\n{}:\n  at = {}u;\n  goto leave;", write_label(*later), *later);
      entered_.insert(*later);
      leaves = true;
    }
    if (leaves) {
      line("\nleave:");
      for (const std::uint32_t cell : values_.names.cells) {
        line("  state->cell{0} = cell{0};", cell);
      }
      line("  return (uint64_t)at << 32;");
    }
    parts_.push_back({.text = std::exchange(values_.text, {}),
                      .names = std::exchange(values_.names, {}),
                      .end = end});
    values_.insns = 0;
    values_.kept.clear();
    jumps_.clear();
    cells_set_.clear();
    for (std::optional<Base>& arrival : arrivals_) {
      if (arrival) {
        arrival->reset();
      }
    }
  }

  void flow(NodeId target, const Base& base) {
    std::optional<Base>& arrival = arrivals_[target];
    arrival = arrival ? CValues::meet(*arrival, base) : base;
  }

  /// The statement that goes on at `target`, without its semicolon.
  std::string jump(NodeId target) {
    if (const auto k = graph_.returned_constant(target)) {
      return fmt::format("return {}", print_number(*k));
    }
    jumps_.insert(positions_[target]);
    return fmt::format("goto {}", write_label(positions_[target]));
  }

  /// The same, from here.
  std::string jump_to(NodeId target) {
    values_.insns += kInsnsOfJump;
    flow(target, values_.base);
    return jump(target);
  }

  void go_to(NodeId target) {
    falls_ = target == next_;
    if (falls_) {
      flow(target, values_.base);
    } else {
      line("  {};", jump_to(target));
    }
  }

  void branch(const std::string& condition, const std::string& inverse, NodeId if_true,
              NodeId if_false) {
    if (if_true == next_) {
      line("  if ({}) {};", inverse, jump_to(if_false));
      go_to(if_true);
    } else {
      line("  if ({}) {};", condition, jump_to(if_true));
      go_to(if_false);
    }
  }

  /// Intervals and few numbers are compared one by one; many numbers make a switch.
  void emit(const Switch& node) {
    const std::string value = values_.print_operand(node.value);
    values_.insns += kInsnsOfCase * node.cases.size();
    std::vector<Case> compared = node.cases;
    const auto numbers = std::ranges::stable_partition(
        compared, [](const Case& one) { return one.low != one.high; });
    std::vector<Case> cases;
    if (numbers.size() > kMostCompared) {
      cases.assign(numbers.begin(), numbers.end());
      compared.erase(numbers.begin(), numbers.end());
    }
    for (std::size_t i = 0; i < compared.size(); ++i) {
      const auto [condition, inverse] =
          conditions(value, compared[i], graph_.values.max(node.value));
      if (cases.empty() && i + 1 == compared.size()) {
        branch(condition, inverse, compared[i].target, node.otherwise);
        return;
      }
      line("  if ({}) {};", condition, jump_to(compared[i].target));
    }
    if (!cases.empty()) {
      line("  switch ({}) {{", value);
      for (std::size_t i = 0; i < cases.size(); ++i) {
        const bool is_last = i + 1 == cases.size() || cases[i + 1].target != cases[i].target;
        line("    case {}:{}", print_number(cases[i].low),
             is_last ? fmt::format(" {};", jump_to(cases[i].target)) : "");
      }
      line("    default: break;\n  }}");
    }
    go_to(node.otherwise);
  }

  void emit(const AnyBit& node) {
    const std::string bits =
        fmt::format("({} & {})", values_.print_operand(node.value), print_number(node.mask));
    branch(bits + " != 0u", bits + " == 0u", node.if_set, node.if_clear);
  }

  void emit(const Compare& node) {
    const std::vector<std::string> sides = values_.print_operands({node.left, node.right});
    const auto compare = [&](std::string_view op) {
      return fmt::format("{} {} {}", sides[0], op, sides[1]);
    };
    switch (node.condition) {
      case Condition::Equal:
        branch(compare("=="), compare("!="), node.if_true, node.if_false);
        break;
      case Condition::Greater:
        branch(compare(">"), compare("<="), node.if_true, node.if_false);
        break;
      case Condition::GreaterEqual:
        branch(compare(">="), compare("<"), node.if_true, node.if_false);
        break;
      case Condition::AnyBitSet:
        branch(fmt::format("({}) != 0u", compare("&")), fmt::format("({}) == 0u", compare("&")),
               node.if_true, node.if_false);
        break;
    }
  }

  void emit(const Fits& node) {
    const std::string fail = jump(node.if_outside);
    flow(node.if_outside, node.index ? values_.guard(*node.index, node.begin, node.end, fail)
                                     : values_.guard(node.end, fail));
    go_to(node.if_inside);
  }

  void emit(const SetPhi& node) {
    const auto variable = variables_[std::get<Phi>(graph_.values[node.phi]).number];
    if (variable) {
      const std::string cell = values_.cell(node.phi);
      const std::string value = values_.print_operand(node.value);
      if (value != cell) {
        cells_set_.insert(*variable);
        values_.names.unknown_0 = values_.names.unknown_0 || has_many_cells();
        line("  {} = {}{};", cell, value, has_many_cells() ? " ^ (uint32_t)unknown_0" : "");
      }
    }
    go_to(node.next);
  }

  void write_signature() {
    line("static {} uint32_t {}(const uint8_t *data, const uint8_t *data_end{})\n{{",
         options_.no_inline ? "__attribute__((__noinline__))" : "inline", options_.function_name,
         length_parameter());
  }

  /// Variables that do not live longer than the function, and parameters that are not used.
  void write_locals(const CNames& names) {
    if (names.base) {
      line("  const uint8_t *base = data;");
    }
    if (names.packet || names.unknown_0) {
      line("  uint64_t bound{};", names.unknown_0 ? ", unknown_0" : "");
    }
    for (std::size_t i = 0; i < names.temporaries; ++i) {
      line("  uint32_t t{};", i);
    }
    if (!values_.text.ends_with("{\n")) {
      line("");
    }
    if (!names.packet && !names.unknown_0) {
      line("  (void)data;\n  (void)data_end;");
    }
    if (options_.packet_length && !names.packet_length) {
      line("  (void)packet_length;");
    }
    if (names.unknown_0) {
      line("  CBPFC_UNKNOWN_0;");
    }
  }

  void write_part(std::size_t number) {
    const Part& part = parts_[number];
    line("static __attribute__((__noinline__)) uint64_t");
    line("{0}_part{1}(const uint8_t *data, const uint8_t *data_end{2}{3}, uint32_t at)\n{{",
         options_.function_name, number + 1, length_parameter(),
         cells_ > 0 ? fmt::format(", struct {}_state *state", options_.function_name) : "");
    for (const std::uint32_t cell : part.names.cells) {
      line("  uint32_t cell{0} = state->cell{0};", cell);
    }
    write_locals(part.names);
    if (cells_ > 0 && part.names.cells.empty()) {
      line("  (void)state;");
    }
    line("  switch (at) {{");
    const std::size_t begin = number == 0 ? 0 : parts_[number - 1].end;
    for (auto at = entered_.lower_bound(begin); at != entered_.lower_bound(part.end); ++at) {
      line("    case {}u: goto {};", *at, write_label(*at));
    }
    line("    default: break;\n  }}");
    values_.text += part.text + "}\n\n";
  }

  void write_caller() {
    write_signature();
    line("  uint64_t result;");
    if (cells_ > 0) {
      line("  struct {}_state state;\n", options_.function_name);
    }
    for (std::uint32_t cell = 0; cell < cells_; ++cell) {
      line("  state.cell{} = 0u;", cell);
    }
    for (std::size_t number = 0; number < parts_.size(); ++number) {
      if (number > 0) {
        line("  if (result >> 32 != 0u && result >> 32 < {}u)", parts_[number].end);
      }
      line("  {}result = {}_part{}(data, data_end{}{}, {});", number > 0 ? "  " : "",
           options_.function_name, number + 1, options_.packet_length ? ", packet_length" : "",
           cells_ > 0 ? ", &state" : "", number > 0 ? "(uint32_t)(result >> 32)" : "0u");
    }
    line("  return (uint32_t)result;\n}}");
  }

  const Graph graph_;
  const COptions& options_;
  const std::vector<NodeId> order_;
  const std::vector<std::uint32_t> predecessors_;
  std::vector<std::size_t> positions_;         ///< in the order, by node
  std::vector<std::optional<Base>> arrivals_;  ///< what `base` is on all paths to a node, by node
  const CellSlots variables_;
  std::uint32_t cells_ = 0;  ///< how many variables they have
  CValues values_;
  bool falls_ = false;                 ///< whether the last node goes on at the next without a jump
  std::optional<NodeId> next_;         ///< the node that is written next
  std::set<std::size_t> jumps_;        ///< positions that the part at hand jumps to
  std::set<std::size_t> entered_;      ///< positions that earlier parts jump to
  std::set<std::uint32_t> cells_set_;  ///< variables set since clang was last told to forget
  std::vector<Part> parts_;
};

}  // namespace

std::string emit_c(const Graph& graph, const COptions& options) {
  return CEmitter(graph, options).run();
}

}  // namespace cbpfc
