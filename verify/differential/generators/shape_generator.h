// SPDX-License-Identifier: BSD-3-Clause
//
// Random programs with the structure of real ones: what optimisers look for, and get wrong.
//
// Instructions drawn one by one almost never load twice relative to one X on both sides of a join, or
// compare one field with thirty constants.  Here a program draws a theme first, a handful of fields,
// constants, values for X and return values, and then a structure over them:
//
//     effects        X from a header's length, a load whose value nobody uses, a store, arithmetic
//     diamonds       if (test) { effects } else { effects }, and go on with what either left
//     early returns  if (test) return
//     conditions     test and (test or not test), as libpcap nests them
//     lists          field = 5 or field = 7 or ..., loaded once or each time, masked once or each time,
//                    with intervals, duplicates and other effects between, to one or to many returns
//     wide keys      two or more neighbouring fields compared in a row, as addresses are
//
// The theme leaves some of these out, so that each is met in pure form, too.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <vector>

#include "verify/differential/generators/dice.h"
#include "verify/differential/generators/program_writer.h"

namespace differential {

class ShapeGenerator {
 public:
  explicit ShapeGenerator(std::uint64_t seed) : dice_(seed) {}

  /// A program that Filter::decode accepts.
  cbpfc::Filter program();

  /// Programs with one theme, as the rules of one list have.
  std::vector<cbpfc::Filter> programs(std::size_t count);

 private:
  /// A value that is looked at again and again.
  struct Field {
    enum class Kind : std::uint8_t { Absolute, Indirect, Length, Scratch, X } kind;
    cbpfc::Size size = cbpfc::Size::Word;
    std::uint32_t offset = 0;  ///< in the packet, or relative to X; Scratch: the slot
    std::uint32_t mask = 0xffffffff;
    std::uint32_t shift_right = 0;
  };
  /// A way to give X a value.
  struct Index {
    enum class Kind : std::uint8_t { HeaderLength, Constant, Byte, Scratch, Length } kind;
    std::uint32_t k = 0;       ///< offset, value or slot
    std::uint32_t mask = 255;  ///< of Byte
    std::uint32_t add = 0;     ///< to Byte
  };
  struct Theme {
    std::vector<Field> fields;
    std::vector<Index> indexes;
    std::vector<std::uint32_t> constants;
    std::vector<Label> returns;
    std::uint32_t slots = 0;  ///< written before anything else
    bool diamonds, early_returns, lists, wide_keys, arithmetic, intervals, reloads, far_offsets;
  };

  cbpfc::Filter write();
  void draw_theme();
  void draw_constants();
  Field draw_field();
  Index draw_index();

  void start();
  void set_x(const Index& index);
  void load_bare(const Field& field);
  void load(const Field& field);
  void arithmetic();
  void effect();
  void effects(std::uint32_t most);
  std::uint32_t constant_for(const Field& field);
  void compare(const Field& field, Label if_true, Label if_false);
  void test(Label if_true, Label if_false);
  void condition(std::uint32_t depth, Label if_true, Label if_false);
  void diamond(std::uint32_t depth);
  void list(Label if_none);
  void wide_key(Label if_true, Label if_false);
  void statement(std::uint32_t depth);
  Label a_return() { return dice_.pick(theme_.returns); }
  void returns();

  Dice dice_;
  Theme theme_ = {};
  ProgramWriter writer_;
};

}  // namespace differential
