// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/generators/shape_generator.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace differential {

using cbpfc::AluOp;
using cbpfc::Condition;
using cbpfc::Operand;
using cbpfc::Register;
using cbpfc::Size;

namespace {

constexpr std::size_t kMostInsns = 400;  ///< about; lists may add to it

Operand constant(std::uint32_t k) {
  return {.is_x = false, .k = k};
}

constexpr Operand kX = {.is_x = true, .k = 0};

std::uint32_t widest(Size size) {
  return size == Size::Word ? 0xffffffff : (1U << 8 * static_cast<std::uint32_t>(size)) - 1;
}

}  // namespace

// The theme.

void ShapeGenerator::draw_constants() {
  static constexpr std::array<std::uint32_t, 30> kUsual = {
      0,   1,     2,      3,      4,      5,      6,          15,         16,         17,
      31,  0x3f,  0x40,   0x45,   0x50,   80,     0x7f,       0x80,       0xff,       0x100,
      443, 0x800, 0x1fff, 0x7fff, 0x8000, 0x86dd, 0x0a000001, 0x7fffffff, 0x80000000, 0xffffffff};
  theme_.constants.clear();
  const std::uint32_t count = dice_.between(1, 8);
  if (dice_.one_in(3)) {  // neighbours
    const std::uint32_t first = dice_.pick(kUsual) - dice_.below(3);
    for (std::uint32_t i = 0; i < count; ++i) {
      theme_.constants.push_back(first + i * dice_.pick({1U, 1U, 1U, 2U}));
    }
  } else {
    for (std::uint32_t i = 0; i < count; ++i) {
      theme_.constants.push_back(dice_.one_in(6) ? dice_.word() : dice_.pick(kUsual));
    }
  }
}

ShapeGenerator::Field ShapeGenerator::draw_field() {
  static constexpr std::array<std::uint32_t, 12> kMasks = {
      0xf, 0xf0, 0x3f, 0x7, 0x1, 0x80, 0xff00, 0x1fff, 0x0fff, 0xffffff00, 0xff000000, 0xf0f0f0f0};
  static constexpr std::array<std::uint32_t, 8> kFar = {0x7ffb, 0x7ffc, 0x7fff, 0x8000,
                                                        0xfff0, 0xfffc, 0xffff, 0x10000};
  Field field{.kind = Field::Kind::Absolute};
  const std::uint32_t roll = dice_.below(100);
  field.kind = roll < 45   ? Field::Kind::Absolute
               : roll < 85 ? Field::Kind::Indirect
               : roll < 90 ? Field::Kind::Length
               : roll < 95 ? Field::Kind::X
                           : Field::Kind::Scratch;
  field.size = dice_.pick({Size::Byte, Size::Byte, Size::Half, Size::Half, Size::Word});
  field.offset = dice_.below(dice_.one_in(3) ? 40 : 16);
  if (theme_.far_offsets && dice_.one_in(3)) {
    field.offset = dice_.pick(kFar);
  }
  if (field.kind == Field::Kind::Indirect && dice_.one_in(8)) {
    field.offset = 0U - dice_.between(1, 20);
  }
  if (field.kind == Field::Kind::Scratch && theme_.slots == 0) {
    field.kind = Field::Kind::X;
  }
  if (field.kind == Field::Kind::Scratch) {
    field.offset = dice_.below(theme_.slots);
  }
  if (dice_.one_in(3)) {
    field.mask = dice_.pick(kMasks);
  }
  if (dice_.one_in(6)) {
    field.shift_right = dice_.between(1, 7);
  }
  return field;
}

ShapeGenerator::Index ShapeGenerator::draw_index() {
  Index index{.kind = Index::Kind::HeaderLength, .k = dice_.below(16)};
  const std::uint32_t roll = dice_.below(100);
  if (roll < 50) {
    return index;
  }
  if (roll < 65) {
    return {.kind = Index::Kind::Constant, .k = dice_.one_in(6) ? dice_.word() : dice_.below(20)};
  }
  if (roll < 85) {
    return {.kind = Index::Kind::Byte,
            .k = dice_.below(30),
            .mask = dice_.pick({0x3fU, 0xfU, 0xffU, 0x7fU, 0xfcU}),
            .add = dice_.one_in(2) ? dice_.below(20) : 0};
  }
  if (roll < 92 && theme_.slots > 0) {
    return {.kind = Index::Kind::Scratch, .k = dice_.below(theme_.slots)};
  }
  return {.kind = Index::Kind::Length};
}

void ShapeGenerator::draw_theme() {
  theme_ = {};
  theme_.slots = dice_.one_in(3) ? dice_.between(1, dice_.one_in(4) ? 16 : 3) : 0;
  theme_.diamonds = dice_.percent(60);
  theme_.early_returns = dice_.percent(50);
  theme_.lists = dice_.percent(40);
  theme_.wide_keys = dice_.percent(30);
  theme_.arithmetic = dice_.percent(30);
  theme_.intervals = dice_.percent(50);
  theme_.reloads = dice_.percent(60);
  theme_.far_offsets = dice_.percent(4);
  const std::uint32_t indexes = dice_.between(1, 2);
  for (std::uint32_t i = 0; i < indexes; ++i) {
    theme_.indexes.push_back(draw_index());
  }
  const std::uint32_t fields = dice_.between(1, 6);
  for (std::uint32_t i = 0; i < fields; ++i) {
    theme_.fields.push_back(draw_field());
  }
  draw_constants();
  theme_.returns.resize(dice_.between(2, 4));
}

// Instructions in a row.

void ShapeGenerator::start() {
  for (std::uint32_t slot = 0; slot < theme_.slots; ++slot) {
    if (dice_.one_in(2)) {
      writer_.add(cbpfc::LoadAbsolute{.size = Size::Byte, .offset = dice_.below(14)});
    } else if (dice_.one_in(2)) {
      writer_.add(cbpfc::LoadImmediate{.dst = Register::A, .value = dice_.pick(theme_.constants)});
    }
    writer_.add(cbpfc::StoreScratch{.src = Register::A, .slot = static_cast<std::uint8_t>(slot)});
  }
  if (dice_.percent(70)) {
    set_x(dice_.pick(theme_.indexes));
  }
}

void ShapeGenerator::set_x(const Index& index) {
  switch (index.kind) {
    case Index::Kind::HeaderLength: writer_.add(cbpfc::LoadHeaderLength{.offset = index.k}); break;
    case Index::Kind::Constant:
      writer_.add(cbpfc::LoadImmediate{.dst = Register::X, .value = index.k});
      break;
    case Index::Kind::Scratch:
      writer_.add(
          cbpfc::LoadScratch{.dst = Register::X, .slot = static_cast<std::uint8_t>(index.k)});
      break;
    case Index::Kind::Length: writer_.add(cbpfc::LoadLength{.dst = Register::X}); break;
    case Index::Kind::Byte:
      writer_.add(cbpfc::LoadAbsolute{.size = Size::Byte, .offset = index.k});
      if (index.mask != 255) {
        writer_.add(cbpfc::Alu{.op = AluOp::And, .operand = constant(index.mask)});
      }
      if (index.add != 0) {
        writer_.add(cbpfc::Alu{.op = AluOp::Add, .operand = constant(index.add)});
      }
      writer_.add(cbpfc::Transfer{.dst = Register::X});
      break;
  }
}

void ShapeGenerator::load_bare(const Field& field) {
  switch (field.kind) {
    case Field::Kind::Absolute:
      writer_.add(cbpfc::LoadAbsolute{.size = field.size, .offset = field.offset});
      break;
    case Field::Kind::Indirect:
      writer_.add(cbpfc::LoadIndirect{.size = field.size, .offset = field.offset});
      break;
    case Field::Kind::Length: writer_.add(cbpfc::LoadLength{.dst = Register::A}); break;
    case Field::Kind::X: writer_.add(cbpfc::Transfer{.dst = Register::A}); break;
    case Field::Kind::Scratch:
      writer_.add(
          cbpfc::LoadScratch{.dst = Register::A, .slot = static_cast<std::uint8_t>(field.offset)});
      break;
  }
}

void ShapeGenerator::load(const Field& field) {
  if (field.kind == Field::Kind::Indirect && dice_.one_in(4)) {
    set_x(dice_.pick(theme_.indexes));
  }
  load_bare(field);
  if (field.mask != 0xffffffff) {
    if (dice_.one_in(12)) {  // as libpcap's unoptimised code has it
      writer_.add(cbpfc::LoadImmediate{.dst = Register::X, .value = field.mask});
      writer_.add(cbpfc::Alu{.op = AluOp::And, .operand = kX});
    } else {
      writer_.add(cbpfc::Alu{.op = AluOp::And, .operand = constant(field.mask)});
    }
  }
  if (field.shift_right != 0) {
    writer_.add(cbpfc::Alu{.op = AluOp::Rsh, .operand = constant(field.shift_right)});
  }
}

void ShapeGenerator::arithmetic() {
  const AluOp op = dice_.pick({AluOp::Add, AluOp::Sub, AluOp::Mul, AluOp::Div, AluOp::Or,
                               AluOp::And, AluOp::Lsh, AluOp::Rsh, AluOp::Mod, AluOp::Xor});
  if (dice_.one_in(3)) {
    writer_.add(cbpfc::Alu{.op = op, .operand = kX});
    return;
  }
  if (dice_.one_in(10)) {
    writer_.add(cbpfc::Negate{});
    return;
  }
  std::uint32_t k = dice_.pick(theme_.constants);
  if (op == AluOp::Lsh || op == AluOp::Rsh) {
    k %= 32;
  } else if (op == AluOp::Div || op == AluOp::Mod) {
    k = std::max(k, 1U);
  }
  writer_.add(cbpfc::Alu{.op = op, .operand = constant(k)});
}

void ShapeGenerator::effect() {
  const auto slot = [&] { return static_cast<std::uint8_t>(dice_.below(theme_.slots)); };
  switch (dice_.below(8)) {
    case 0:
    case 1: set_x(dice_.pick(theme_.indexes)); break;
    case 2:
      if (theme_.slots > 0) {
        writer_.add(
            cbpfc::StoreScratch{.src = dice_.pick({Register::A, Register::X}), .slot = slot()});
      } else {
        writer_.add(cbpfc::Transfer{.dst = Register::X});
      }
      break;
    case 3:
      if (theme_.slots > 0) {
        writer_.add(
            cbpfc::LoadScratch{.dst = dice_.pick({Register::A, Register::X}), .slot = slot()});
      } else {
        load_bare(draw_field());
      }
      break;
    case 4:
      if (theme_.arithmetic) {
        arithmetic();
      } else {
        writer_.add(
            cbpfc::LoadImmediate{.dst = Register::A, .value = dice_.pick(theme_.constants)});
      }
      break;
    default: load(dice_.pick(theme_.fields)); break;
  }
}

void ShapeGenerator::effects(std::uint32_t most) {
  for (std::uint32_t i = dice_.below(most + 1); i > 0; --i) {
    effect();
  }
}

// Comparisons.

/// A constant that the field can have, most often.
std::uint32_t ShapeGenerator::constant_for(const Field& field) {
  const std::uint32_t k = dice_.pick(theme_.constants);
  if (dice_.one_in(12)) {
    return k;
  }
  const bool is_loaded = field.kind == Field::Kind::Absolute || field.kind == Field::Kind::Indirect;
  return k & (field.mask & (is_loaded ? widest(field.size) : 0xffffffff)) >> field.shift_right;
}

void ShapeGenerator::compare(const Field& field, Label if_true, Label if_false) {
  const Condition condition = theme_.intervals
                                  ? dice_.pick({Condition::Equal, Condition::Greater,
                                                Condition::GreaterEqual, Condition::AnyBitSet})
                                  : Condition::Equal;
  if (dice_.one_in(3)) {
    std::swap(if_true, if_false);
  }
  if (dice_.one_in(15)) {
    if_true = if_false;
  }
  writer_.branch(condition, dice_.one_in(16) ? kX : constant(constant_for(field)), if_true,
                 if_false);
}

void ShapeGenerator::test(Label if_true, Label if_false) {
  if (theme_.wide_keys && dice_.one_in(4)) {
    wide_key(if_true, if_false);
    return;
  }
  const Field& field = dice_.pick(theme_.fields);
  if (theme_.reloads || dice_.one_in(2)) {
    load(field);
  }
  compare(field, if_true, if_false);
}

/// Neighbouring fields compared in a row; all must be equal.
void ShapeGenerator::wide_key(Label if_true, Label if_false) {
  Field field = dice_.pick(theme_.fields);
  if (field.kind != Field::Kind::Absolute && field.kind != Field::Kind::Indirect) {
    field.kind = Field::Kind::Absolute;
    field.offset %= 32;
  }
  if (dice_.one_in(2)) {
    field.mask = 0xffffffff;
    field.shift_right = 0;
  }
  std::vector<Field> parts;
  for (std::uint32_t count = dice_.between(2, 4); count > 0; --count) {
    parts.push_back(field);
    field.offset += static_cast<std::uint32_t>(field.size);
    if (dice_.one_in(6)) {
      field.offset += dice_.below(4);
    }
    field.size = dice_.one_in(3) ? dice_.pick({Size::Byte, Size::Half, Size::Word}) : field.size;
  }
  if (dice_.one_in(3)) {
    std::swap(parts.front(), parts.back());
  }
  for (const Field& part : parts) {
    load(part);
    const Label next = &part == &parts.back() ? if_true : writer_.new_label();
    writer_.branch(Condition::Equal, constant(constant_for(part)), next, if_false);
    if (next != if_true) {
      writer_.place(next);
    }
  }
}

void ShapeGenerator::condition(std::uint32_t depth, Label if_true, Label if_false) {
  if (depth == 0 || dice_.one_in(4) || writer_.size() > kMostInsns) {
    test(if_true, if_false);
    return;
  }
  if (dice_.one_in(5)) {
    condition(depth - 1, if_false, if_true);
    return;
  }
  const Label next = writer_.new_label();
  if (dice_.one_in(2)) {
    condition(depth - 1, next, if_false);
  } else {
    condition(depth - 1, if_true, next);
  }
  writer_.place(next);
  if (dice_.one_in(5)) {
    effect();
  }
  condition(depth - 1, if_true, if_false);
}

/// field = k1 or field = k2 or ...; goes on at `if_none`.
void ShapeGenerator::list(Label if_none) {
  const Field& field = dice_.pick(theme_.fields);
  const std::uint32_t keys = dice_.one_in(12) ? dice_.between(40, 130) : dice_.between(2, 14);
  const bool reload = dice_.one_in(2);
  const bool own_returns = dice_.one_in(3);
  const bool with_intervals = dice_.one_in(3);
  const bool with_effects = dice_.one_in(6);
  const bool inverted = dice_.one_in(8);
  const std::uint32_t step = dice_.pick({1U, 1U, 2U, 3U, 0x100U, 0x01010101U});
  std::uint32_t key = constant_for(field);
  const Label target = a_return();
  load(field);
  for (std::uint32_t i = 0; i < keys; ++i) {
    if (i > 0 && reload) {
      load(field);
    }
    key = dice_.one_in(6) ? constant_for(field) : key + (dice_.one_in(3) ? 0U - step : step);
    const Condition condition =
        with_intervals && dice_.one_in(2)
            ? dice_.pick({Condition::Greater, Condition::GreaterEqual, Condition::AnyBitSet})
            : Condition::Equal;
    const Label next = i + 1 == keys ? if_none : writer_.new_label();
    const Label found = own_returns ? a_return() : target;
    if (inverted && dice_.one_in(3)) {
      writer_.branch(condition, constant(key), next, found);
    } else {
      writer_.branch(condition, constant(key), found, next);
    }
    if (next != if_none) {
      writer_.place(next);
    }
    if (with_effects && dice_.one_in(4)) {
      effect();
    }
  }
}

// The structure.

void ShapeGenerator::diamond(std::uint32_t depth) {
  const Label yes = writer_.new_label();
  const Label no = writer_.new_label();
  const Label join = writer_.new_label();
  condition(dice_.below(2), yes, no);
  writer_.place(yes);
  effects(3);
  if (depth > 0 && dice_.one_in(3)) {
    diamond(depth - 1);
  }
  if (dice_.one_in(8)) {
    writer_.jump(a_return());
  } else {
    writer_.jump(join);
  }
  writer_.place(no);
  effects(3);
  writer_.place(join);
  effects(2);
}

void ShapeGenerator::statement(std::uint32_t depth) {
  const std::uint32_t roll = dice_.below(100);
  const Label next = writer_.new_label();
  if (roll < 35 && theme_.diamonds) {
    diamond(depth);
  } else if (roll < 55 && theme_.early_returns) {
    condition(1, a_return(), next);
    writer_.place(next);
  } else if (roll < 75 && theme_.lists) {
    list(next);
    writer_.place(next);
  } else {
    effects(3);
  }
}

void ShapeGenerator::returns() {
  static constexpr std::array<std::uint32_t, 7> kValues = {0, 0, 1, 0x40000, 2, 7, 0xffffffff};
  for (const Label label : theme_.returns) {
    writer_.place(label);
    if (dice_.one_in(6)) {
      writer_.add(cbpfc::ReturnA{});
    } else {
      writer_.add(cbpfc::ReturnConstant{.value = dice_.pick(kValues)});
    }
  }
}

cbpfc::Filter ShapeGenerator::program() {
  draw_theme();
  return write();
}

std::vector<cbpfc::Filter> ShapeGenerator::programs(std::size_t count) {
  draw_theme();
  std::vector<cbpfc::Filter> all;
  while (all.size() < count) {
    all.push_back(write());
  }
  return all;
}

/// A program on the theme.
cbpfc::Filter ShapeGenerator::write() {
  writer_ = {};
  for (Label& label : theme_.returns) {
    label = writer_.new_label();
  }
  start();
  for (std::uint32_t i = dice_.below(dice_.one_in(6) ? 24 : 8); i > 0; --i) {
    if (writer_.size() < kMostInsns) {
      statement(2);
    }
  }
  switch (dice_.below(3)) {
    case 0: condition(3, a_return(), a_return()); break;
    case 1: {
      const Label none = writer_.new_label();
      list(none);
      writer_.place(none);
      break;
    }
    default: writer_.add(cbpfc::ReturnA{}); break;
  }
  returns();
  auto filter = cbpfc::Filter::decode(writer_.finish());
  if (!filter) {
    std::abort();  // the generator makes valid programs only
  }
  return *std::move(filter);
}

}  // namespace differential
