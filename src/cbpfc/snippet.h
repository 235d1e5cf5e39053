// SPDX-License-Identifier: BSD-3-Clause
//
// A few classic instructions that stand for another, written with labels.

#pragma once

#include <cassert>
#include <map>
#include <string>
#include <vector>

#include "ancillary.h"

namespace cbpfc {

/// Instructions with labels; "" is the next instruction, "end" what follows them all.
class Snippet {
 public:
  void add(const Insn& insn) { lines_.push_back({.insn = insn}); }
  void label(const std::string& name) { places_.emplace(name, lines_.size()); }
  void jump(const std::string& target) {
    mark(target, {});
    add(Jump{.skip = 0});
  }
  void jump_if(Condition condition, std::uint32_t k, const std::string& if_true,
               const std::string& if_false) {
    mark(if_true, if_false);
    add(JumpIf{.condition = condition, .operand = {.k = k}, .skip_true = 0, .skip_false = 0});
  }
  void jump_if_x(Condition condition, const std::string& if_true, const std::string& if_false) {
    mark(if_true, if_false);
    add(JumpIf{.condition = condition, .operand = {.is_x = true}, .skip_true = 0, .skip_false = 0});
  }

  /// Appends the instructions to `lines`.
  void append_to(std::vector<Line>& lines) {
    label("end");
    const std::size_t base = lines.size();
    lines.insert(lines.end(), lines_.begin(), lines_.end());
    for (const Target& target : targets_) {
      Line& line = lines[base + target.line];
      line.if_true = base + place(target.line, target.if_true);
      line.if_false = base + place(target.line, target.if_false);
    }
  }

 private:
  struct Target {
    std::size_t line;
    std::string if_true;
    std::string if_false;
  };
  void mark(const std::string& if_true, const std::string& if_false) {
    targets_.push_back({.line = lines_.size(), .if_true = if_true, .if_false = if_false});
  }
  std::size_t place(std::size_t line, const std::string& name) const {
    assert(name.empty() || places_.contains(name));
    return name.empty() ? line + 1 : places_.at(name);
  }

  std::vector<Line> lines_;
  std::vector<Target> targets_;
  std::map<std::string, std::size_t> places_;
};

}  // namespace cbpfc
