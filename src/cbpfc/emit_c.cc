// SPDX-License-Identifier: BSD-3-Clause
//
// Graph to C: functions around the statements of c_statements.cc.
//
// A block is a label, or a comment where nothing jumps; A, X and the scratch slots that are used are
// variables, so what they become is the C compiler's choice.  A jump to a block that only returns is a
// return.
//
// A jump of BPF reaches 32,767 instructions, and some compilers cut a longer one short without a word.  So
// a long filter is cut into parts, each a function that the verifier follows like any other code:
//
//     static uint32_t f_part2(data, data_end, struct f_state *state, uint32_t at)
//     {
//       uint32_t a = state->a;
//       switch (at) { case 1204u: goto block_1204; ... }      blocks that earlier parts jump to
//       ...
//     leave:                                                  to a block of a later part
//       state->a = a;
//       return at;
//     }
//
//     f(data, data_end):  at = f_part1(...); if (at != 0u && at < 2410u) at = f_part2(..., at); ...
//
// Jumps go forward, so calling every part once, in order, visits everything.  A part that ends the filter
// leaves the value in the state and returns 0, which is no block's number but the entry's.
//
// Tested by: compile_c_test.cc, differential/c_test.cc.

#include "emit_c.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "c_statements.h"
#include "overloaded.h"

namespace cbpfc {
namespace {

/// Instructions of BPF that a function may come to, less than a jump's reach.
constexpr std::size_t kMostInsns = 28'000;
/// The same for what is not cut: a block.
constexpr std::size_t kMostBlockInsns = 2'000;

/// About the most instructions that a step becomes, which is at -O0: everything is loaded from the stack
/// and stored there again.
std::size_t insns_of(const Step& step) {
  return std::visit(Overloaded{
                        [](const AbsoluteGuard&) { return 12U; },
                        [](const IndirectGuard&) { return 26U; },
                        [](const auto&) { return 8U; },
                    },
                    step);
}

std::size_t insns_of(const Block& block) {
  std::size_t sum = 12;  // the exit
  for (const Step& step : block.steps) {
    sum += insns_of(step);
  }
  return sum;
}

/// The steps of a block in pieces of limited length; one piece where there are none.
std::vector<std::vector<Step>> pieces_of(const Block& block) {
  std::vector<std::vector<Step>> pieces(1);
  std::size_t sum = 0;
  for (const Step& step : block.steps) {
    if (sum > kMostBlockInsns) {
      pieces.emplace_back();
      sum = 0;
    }
    sum += insns_of(step);
    pieces.back().push_back(step);
  }
  return pieces;
}

Exit with_targets(const Exit& exit, const std::vector<BlockId>& new_id) {
  if (const auto* jump = std::get_if<Goto>(&exit)) {
    return Goto{new_id[jump->target]};
  }
  if (const auto* branch = std::get_if<Branch>(&exit)) {
    Branch moved = *branch;
    moved.if_true = new_id[branch->if_true];
    moved.if_false = new_id[branch->if_false];
    return moved;
  }
  return exit;
}

/// The reachable part of the graph, with long blocks cut into several.
Cfg with_short_blocks(const Cfg& cfg) {
  std::vector<BlockId> new_id(cfg.blocks.size());
  std::size_t blocks = 0;
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    new_id[id] = blocks;
    blocks += cfg.blocks[id].reachable ? pieces_of(cfg.blocks[id]).size() : 0;
  }
  Cfg cut;
  for (const Block& block : cfg.blocks) {
    if (block.reachable) {
      for (std::vector<Step>& piece : pieces_of(block)) {
        cut.blocks.push_back({.steps = std::move(piece), .exit = Goto{cut.blocks.size() + 1}});
      }
      cut.blocks.back().exit = with_targets(block.exit, new_id);
    }
  }
  return cut;
}

class CEmitter {
 public:
  CEmitter(const Cfg& cfg, const COptions& options)
      : cfg_(with_short_blocks(cfg)), options_(options), statements_(cfg_, options) {}

  std::string run() {
    find_parts();
    if (starts_.size() == 1) {
      write_whole();
      return std::move(text_);
    }
    std::vector<CNames> names(starts_.size());
    std::vector<std::string> bodies;
    for (std::size_t part = 0; part < starts_.size(); ++part) {
      bodies.push_back(write_blocks(part, {.end = end_of(part), .is_whole = false}, names[part]));
    }
    for (const CNames& some : names) {
      add(some);
    }
    write_state();
    for (std::size_t part = 0; part < starts_.size(); ++part) {
      write_part(part, bodies[part], names[part]);
    }
    write_caller();
    return std::move(text_);
  }

 private:
  template <typename... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  /// Whether a block is written: the others are returns where they would be jumped to.
  bool is_written(BlockId id) const { return id == 0 || !is_a_return(cfg_.blocks[id]); }

  void find_parts() {
    std::size_t sum = 0;
    starts_.push_back(0);
    for (BlockId id = 0; id < cfg_.blocks.size(); ++id) {
      if (is_written(id)) {
        sum += insns_of(cfg_.blocks[id]);
        if (sum > kMostInsns) {
          starts_.push_back(id);
          sum = insns_of(cfg_.blocks[id]);
        }
      }
    }
  }

  BlockId end_of(std::size_t part) const {
    return part + 1 < starts_.size() ? starts_[part + 1] : cfg_.blocks.size();
  }

  /// The blocks of a part, with their labels.
  std::string write_blocks(std::size_t part, const CPart& how, CNames& names) {
    std::vector<BlockId> order;
    for (BlockId id = starts_[part]; id < how.end; ++id) {
      if (is_written(id)) {
        order.push_back(id);
      }
    }
    // Statements first: they tell which labels there must be.
    std::vector<std::string> bodies;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto next = i + 1 < order.size() ? std::optional(order[i + 1]) : std::nullopt;
      bodies.push_back(statements_.write(order[i], next, how, names));
    }
    for (const BlockId id : names.left_for) {
      entered_.insert(id);
    }
    std::string text;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const bool is_label = names.labels.contains(order[i]) || entered_.contains(order[i]);
      text += is_label ? fmt::format("\nblock_{}:\n", order[i])
                       : fmt::format("\n  /* block_{} */\n", order[i]);
      text += bodies[i];
    }
    return text;
  }

  void add(const CNames& some) {
    all_.a = all_.a || some.a;
    all_.x = all_.x || some.x;
    all_.base = all_.base || some.base;
    all_.slots.insert(some.slots.begin(), some.slots.end());
  }

  /// The filter's variables among `names`.
  static std::vector<std::string> variables(const CNames& names) {
    std::vector<std::string> variables;
    if (names.a) {
      variables.emplace_back("a");
    }
    if (names.x) {
      variables.emplace_back("x");
    }
    for (const std::uint8_t slot : names.slots) {
      variables.push_back(fmt::format("m{}", slot));
    }
    return variables;
  }

  std::string_view length_parameter() const {
    return options_.packet_length ? ", uint32_t packet_length" : "";
  }

  void write_signature() {
    print("static {} uint32_t {}(const uint8_t *data, const uint8_t *data_end{})\n{{\n",
          options_.no_inline ? "__attribute__((__noinline__))" : "inline", options_.function_name,
          length_parameter());
  }

  /// Variables that do not live longer than the function, and parameters that are not used.
  void write_locals(const CNames& names) {
    if (names.bound) {
      print("  uint64_t bound;\n");
    }
    if (names.unknown_0) {
      print("  uint64_t unknown_0;\n");
    }
    print("\n");
    if (!names.packet) {
      print("  (void)data;\n  (void)data_end;\n");
    }
    if (options_.packet_length && !names.packet_length) {
      print("  (void)packet_length;\n");
    }
    if (names.unknown_0) {
      print("  CBPFC_UNKNOWN_0;\n");
    }
  }

  void write_whole() {
    CNames names;
    const std::string body = write_blocks(0, {.end = end_of(0), .is_whole = true}, names);
    write_signature();
    if (names.base) {
      print("  const uint8_t *base;\n");
    }
    if (const std::vector<std::string> all = variables(names); !all.empty()) {
      print("  uint32_t {};\n", fmt::join(all, ", "));
    }
    write_locals(names);
    text_ += body;
    print("}}\n");
  }

  void write_state() {
    print("struct {}_state {{\n", options_.function_name);
    if (all_.base) {
      print("  const uint8_t *base;\n");
    }
    print("  uint32_t {};\n}};\n\n", fmt::join(variables_with_value(), ", "));
  }

  std::vector<std::string> variables_with_value() const {
    std::vector<std::string> all = variables(all_);
    all.emplace_back("value");
    return all;
  }

  void write_part(std::size_t part, const std::string& body, const CNames& names) {
    print(
        "static __attribute__((__noinline__)) uint32_t\n"
        "{0}_part{1}(const uint8_t *data, const uint8_t *data_end{2}, struct {0}_state *state, "
        "uint32_t at)\n{{\n",
        options_.function_name, part + 1, length_parameter());
    if (names.base) {
      print("  const uint8_t *base = state->base;\n");
    }
    const std::vector<std::string> all = variables(names);
    for (const std::string& variable : all) {
      print("  uint32_t {0} = state->{0};\n", variable);
    }
    write_locals(names);
    print("  switch (at) {{\n");
    for (auto id = entered_.lower_bound(starts_[part]); id != entered_.end() && *id < end_of(part);
         ++id) {
      print("    case {0}u: goto block_{0};\n", *id);
    }
    print("    default: break;\n  }}\n");
    text_ += body;
    if (names.leave()) {
      print("\nleave:\n");
      if (names.base) {
        print("  state->base = base;\n");
      }
      for (const std::string& variable : all) {
        print("  state->{0} = {0};\n", variable);
      }
      print("  return at;\n");
    }
    print("}}\n\n");
  }

  void write_caller() {
    write_signature();
    print("  struct {}_state state;\n  uint32_t at = 0u;\n\n", options_.function_name);
    if (all_.base) {
      print("  state.base = data;\n");
    }
    for (const std::string& variable : variables_with_value()) {
      print("  state.{} = 0u;\n", variable);
    }
    for (std::size_t part = 0; part < starts_.size(); ++part) {
      const std::string condition = part == 0 ? ""
                                    : part + 1 == starts_.size()
                                        ? "if (at != 0u) "
                                        : fmt::format("if (at != 0u && at < {}u) ", end_of(part));
      print("  {}at = {}_part{}(data, data_end{}, &state, at);\n", condition,
            options_.function_name, part + 1, options_.packet_length ? ", packet_length" : "");
    }
    print("  return state.value;\n}}\n");
  }

  const Cfg cfg_;
  const COptions& options_;
  CStatements statements_;
  std::vector<BlockId> starts_;  ///< of the parts
  std::set<BlockId> entered_;    ///< blocks that earlier parts jump to
  CNames all_;                   ///< of all parts
  std::string text_;
};

}  // namespace

std::string emit_c(const Cfg& cfg, const COptions& options) {
  return CEmitter(cfg, options).run();
}

}  // namespace cbpfc
