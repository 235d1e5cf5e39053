// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/generators/program_writer.h"

namespace differential {
namespace {

using cbpfc::Jump;
using cbpfc::JumpIf;

constexpr std::size_t kReach = 255;

}  // namespace

Label ProgramWriter::new_label() {
  labels_.push_back(0);
  return static_cast<Label>(labels_.size() - 1);
}

void ProgramWriter::place(Label label) {
  labels_[label] = items_.size();
}

void ProgramWriter::add(const cbpfc::Insn& insn) {
  items_.push_back({.insn = insn});
  ++size_;
}

void ProgramWriter::jump(Label target) {
  items_.push_back({.insn = Jump{.skip = 0}, .if_true = target});
  ++size_;
}

void ProgramWriter::branch(cbpfc::Condition condition, cbpfc::Operand operand, Label if_true,
                           Label if_false) {
  items_.push_back(
      {.insn = JumpIf{.condition = condition, .operand = operand, .skip_true = 0, .skip_false = 0},
       .if_true = if_true,
       .if_false = if_false});
  size_ += 3;
}

std::vector<cbpfc::RawInsn> ProgramWriter::finish() const {
  std::vector<Item> items = items_;
  std::vector<std::size_t> at;
  // Making one far moves others apart, so until nothing changes.
  const auto place_items = [&] {
    at.assign(1, 0);
    for (const Item& item : items) {
      at.push_back(at.back() + (item.is_far ? 3 : 1));
    }
  };
  const auto distance = [&](std::size_t from, Label label) {
    return at[labels_[label]] - at[from] - 1;
  };
  bool changed = true;
  while (changed) {
    changed = false;
    place_items();
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (!items[i].is_far && std::holds_alternative<JumpIf>(items[i].insn) &&
          (distance(i, items[i].if_true) > kReach || distance(i, items[i].if_false) > kReach)) {
        items[i].is_far = changed = true;
      }
    }
  }
  std::vector<cbpfc::RawInsn> program;
  for (std::size_t i = 0; i < items.size(); ++i) {
    cbpfc::Insn insn = items[i].insn;
    const auto skip = [&](Label label) { return static_cast<std::uint32_t>(distance(i, label)); };
    if (auto* jump = std::get_if<Jump>(&insn)) {
      jump->skip = skip(items[i].if_true);
    }
    auto* branch = std::get_if<JumpIf>(&insn);
    if (branch != nullptr) {
      branch->skip_true = items[i].is_far ? 0 : static_cast<std::uint8_t>(skip(items[i].if_true));
      branch->skip_false = items[i].is_far ? 1 : static_cast<std::uint8_t>(skip(items[i].if_false));
    }
    program.push_back(cbpfc::encode_insn(insn));
    if (items[i].is_far) {
      program.push_back(cbpfc::encode_insn(Jump{.skip = skip(items[i].if_true) - 1}));
      program.push_back(cbpfc::encode_insn(Jump{.skip = skip(items[i].if_false) - 2}));
    }
  }
  return program;
}

}  // namespace differential
