// SPDX-License-Identifier: BSD-3-Clause
//
// The behaviour that the test-suite of Cloudflare's cbpfc (at 0661ad2) holds its compiler to, in all of
// our engines: every instruction with the values tried there, and the programs on which its guards and its
// checks of divisors were tested, over packets of every length.  Its tests of inner structure have their
// counterpart in unit/cbpfc.

#include <gtest/gtest.h>

#include <array>

#include "verify/differential/engines/all_engines.h"
#include "verify/interpreter/interpret.h"

namespace differential {
namespace {

using cbpfc::Alu;
using cbpfc::AluOp;
using cbpfc::Condition;
using cbpfc::Insn;
using cbpfc::Jump;
using cbpfc::JumpIf;
using cbpfc::LoadAbsolute;
using cbpfc::LoadHeaderLength;
using cbpfc::LoadImmediate;
using cbpfc::LoadIndirect;
using cbpfc::LoadLength;
using cbpfc::LoadScratch;
using cbpfc::Negate;
using cbpfc::Operand;
using cbpfc::Register;
using cbpfc::ReturnA;
using cbpfc::ReturnConstant;
using cbpfc::Size;
using cbpfc::StoreScratch;
using cbpfc::Transfer;

constexpr Operand kX = {.is_x = true, .k = 0};
constexpr std::uint32_t kIntMin = 0x80000000;
constexpr std::uint32_t kIntMax = 0x7fffffff;

constexpr Operand k(std::uint32_t value) {
  return {.is_x = false, .k = value};
}

LoadImmediate a(std::uint32_t value) {
  return {.dst = Register::A, .value = value};
}

LoadImmediate x(std::uint32_t value) {
  return {.dst = Register::X, .value = value};
}

constexpr Transfer kTax = {.dst = Register::X};
constexpr Transfer kTxa = {.dst = Register::A};

class OriginalSuite : public testing::Test {
 protected:
  void load(const std::vector<Insn>& insns) {
    std::vector<cbpfc::RawInsn> raw;
    for (const Insn& insn : insns) {
      raw.push_back(cbpfc::encode_insn(insn));
    }
    filter_ = cbpfc::Filter::decode(raw).value();
    ASSERT_EQ(engines_.load(*filter_), "");
  }

  /// All engines give `value` for `packet`, filled up to 16 bytes.
  void expect_value(const std::vector<Insn>& insns, Packet packet, std::uint32_t value) {
    load(insns);
    packet.resize(16);
    EXPECT_EQ(cbpfc::interpret(*filter_, packet, 16).value(), value);
    EXPECT_EQ(engines_.run(packet), "");
  }

  /// All engines give the same for packets of every length and several contents.
  void expect_agreement(const std::vector<Insn>& insns) {
    load(insns);
    for (std::size_t length = 0; length <= 40; ++length) {
      for (const std::uint8_t step : std::array<std::uint8_t, 4>{0, 1, 3, 85}) {
        Packet packet(length);
        for (std::size_t i = 0; i < length; ++i) {
          packet[i] = static_cast<std::uint8_t>(i * step);
        }
        EXPECT_EQ(engines_.run(packet), "");
      }
    }
  }

 private:
  Engines engines_;
  std::optional<cbpfc::Filter> filter_;
};

TEST_F(OriginalSuite, RegistersStartAsZero) {
  expect_value({ReturnA{}}, {1}, 0);
  expect_value({kTxa, ReturnA{}}, {1}, 0);
  // X is set on one of two paths.
  const std::vector<Insn> partly = {LoadAbsolute{Size::Byte, 0},
                                    JumpIf{Condition::Equal, k(1), 0, 1}, x(5), kTxa, ReturnA{}};
  expect_value(partly, {1}, 5);
  expect_value(partly, {2}, 0);
}

TEST_F(OriginalSuite, LoadsAndReturns) {
  for (const std::uint32_t value : {0U, 1U, 28U, 0xffffffffU}) {
    expect_value({a(value), ReturnA{}}, {}, value);
    expect_value({x(value), kTxa, ReturnA{}}, {}, value);
    expect_value({a(value), kTax, a(7), kTxa, ReturnA{}}, {}, value);
    expect_value({ReturnConstant{value}}, {}, value);
  }
  const Packet packet = {0, 0, 0xde, 0xad, 0xbe, 0xef};
  expect_value({LoadAbsolute{Size::Byte, 2}, ReturnA{}}, packet, 0xde);
  expect_value({LoadAbsolute{Size::Half, 2}, ReturnA{}}, packet, 0xdead);
  expect_value({LoadAbsolute{Size::Word, 2}, ReturnA{}}, packet, 0xdeadbeef);
  expect_value({LoadLength{Register::A}, ReturnA{}}, {}, 16);
  expect_value({LoadHeaderLength{0}, JumpIf{Condition::Equal, kX, 0, 0}, kTxa, ReturnA{}}, {0xaa},
               40);
  expect_value({LoadHeaderLength{0}, kTxa, ReturnA{}}, {0xf0}, 0);
  expect_value({a(40), LoadHeaderLength{0}, JumpIf{Condition::Equal, kX, 1, 0}, ReturnConstant{0},
                ReturnConstant{1}},
               {0xaa}, 1);
}

TEST_F(OriginalSuite, LoadsAtTheLargestOffsets) {
  for (const Size size : {Size::Byte, Size::Half, Size::Word}) {
    const std::uint32_t last = 0xffff - static_cast<std::uint32_t>(size);
    for (const std::uint32_t offset : {last, last + 1}) {
      expect_value({LoadAbsolute{size, offset}, ReturnConstant{1}}, {}, 0);
      expect_value({x(0), LoadIndirect{size, offset}, ReturnConstant{1}}, {}, 0);
      expect_value({LoadHeaderLength{offset}, ReturnConstant{1}}, {}, 0);
    }
    expect_value({x(0), LoadIndirect{size, 0}, ReturnConstant{1}}, {}, 1);
    expect_value({LoadAbsolute{Size::Byte, 0}, kTax, LoadIndirect{size, kIntMin},
                  LoadIndirect{size, 0}, LoadIndirect{size, kIntMax}, ReturnConstant{1}},
                 {}, 0);
  }
}

TEST_F(OriginalSuite, IndirectLoads) {
  const Packet packet = {0, 1, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
  const struct {
    std::uint32_t x, offset;
    std::uint32_t at;  ///< what is loaded; 99 for none
  } cases[] = {{kIntMin + 4, kIntMax, 3},
               {3, 0U - 1, 2},
               {1, 2, 3},
               {0, 4, 4},
               {6, 0U - 6, 0},
               {0, 0U - 1, 99},
               {3, 0U - 6, 99},
               {2, 0U - 47, 99},
               {3, 0U - 3, 0},
               {14, 2, 99},
               {0, 16, 99},
               {kIntMax, kIntMax, 99},
               {0xfffffff0, 17, 1}};
  for (const auto& c : cases) {
    const bool is_inside = c.at != 99;
    // X as a constant, and from the packet.
    Packet with_x = packet;
    with_x.resize(16);
    for (std::size_t i = 0; i < 4; ++i) {
      with_x[12 + i] = static_cast<std::uint8_t>(c.x >> (24 - 8 * i));
    }
    const std::array<std::pair<Size, std::uint32_t>, 3> sizes = {
        {{Size::Byte, 1}, {Size::Half, 2}, {Size::Word, 4}}};
    for (const auto& [size, bytes] : sizes) {
      std::uint32_t value = 0;
      for (std::uint32_t i = 0; is_inside && i < bytes; ++i) {
        value = value << 8 | with_x[c.at + i];
      }
      expect_value({x(c.x), LoadIndirect{size, c.offset}, ReturnA{}}, with_x, value);
      expect_value({LoadAbsolute{Size::Word, 12}, kTax, LoadIndirect{size, c.offset}, ReturnA{}},
                   with_x, value);
    }
  }
}

TEST_F(OriginalSuite, Scratch) {
  expect_value({a(5), StoreScratch{Register::A, 0}, a(1), LoadScratch{Register::A, 0}, ReturnA{}},
               {}, 5);
  expect_value(
      {x(5), StoreScratch{Register::X, 0}, x(1), LoadScratch{Register::X, 0}, kTxa, ReturnA{}}, {},
      5);
  for (const std::uint32_t garbage : {0U, 0xdeadbeefU}) {
    expect_value({a(garbage), StoreScratch{Register::A, 6}, StoreScratch{Register::A, 8}, a(4),
                  StoreScratch{Register::A, 7}, a(garbage), StoreScratch{Register::A, 6},
                  StoreScratch{Register::A, 8}, LoadScratch{Register::A, 7}, ReturnA{}},
                 {}, 4);
  }
}

TEST_F(OriginalSuite, Arithmetic) {
  const struct {
    AluOp op;
    std::uint32_t left, right, result;
  } cases[] = {{AluOp::Add, 4, 13, 17},
               {AluOp::Add, 13, 4, 17},
               {AluOp::Add, 0xffffffff, 2, 1},
               {AluOp::Sub, 13, 4, 9},
               {AluOp::Sub, 4, 13, 0U - 9},
               {AluOp::Mul, 8, 9, 72},
               {AluOp::Mul, 2, kIntMin, 0},
               {AluOp::Div, 32, 4, 8},
               {AluOp::Div, 37, 4, 9},
               {AluOp::Div, 4, 0xfffffffe, 0},
               {AluOp::Or, 0xf0, 0x0f, 0xff},
               {AluOp::Or, 0xf1, 0x1f, 0xff},
               {AluOp::And, 0xf0, 0x0f, 0},
               {AluOp::And, 0xf1, 0x1f, 0x11},
               {AluOp::Lsh, 0x1, 1, 0x2},
               {AluOp::Lsh, 0x1, 7, 0x80},
               {AluOp::Lsh, 0xffffffff, 31, kIntMin},
               {AluOp::Rsh, 0xf0, 4, 0x0f},
               {AluOp::Rsh, 0xf0, 7, 1},
               {AluOp::Rsh, 0xffffffff, 31, 1},
               {AluOp::Mod, 32, 4, 0},
               {AluOp::Mod, 37, 4, 1},
               {AluOp::Mod, 4, 0xfffffffe, 4},
               {AluOp::Xor, 0xf0, 0x0f, 0xff},
               {AluOp::Xor, 0xf1, 0xf2, 3}};
  for (const auto& c : cases) {
    expect_value({a(c.left), Alu{c.op, k(c.right)}, ReturnA{}}, {}, c.result);
    expect_value({a(c.left), x(c.right), Alu{c.op, kX}, ReturnA{}}, {}, c.result);
    // And with what is known only when it runs.
    Packet packet;
    for (const std::uint32_t value : {c.left, c.right}) {
      for (int shift = 24; shift >= 0; shift -= 8) {
        packet.push_back(static_cast<std::uint8_t>(value >> shift));
      }
    }
    expect_value(
        {LoadAbsolute{Size::Word, 4}, kTax, LoadAbsolute{Size::Word, 0}, Alu{c.op, kX}, ReturnA{}},
        packet, c.result);
    expect_value({LoadAbsolute{Size::Word, 0}, Alu{c.op, k(c.right)}, ReturnA{}}, packet, c.result);
  }
  expect_value({a(26), Negate{}, ReturnA{}}, {}, 0U - 26);
  expect_value({LoadAbsolute{Size::Byte, 0}, Negate{}, ReturnA{}}, {26}, 0U - 26);
}

TEST_F(OriginalSuite, Jumps) {
  expect_value({Jump{1}, ReturnConstant{0}, ReturnConstant{1}}, {}, 1);
  expect_value({JumpIf{Condition::Equal, k(0), 0, 0}, ReturnConstant{1}}, {}, 1);
  expect_value({JumpIf{Condition::Equal, kX, 0, 0}, ReturnConstant{1}}, {}, 1);
  const struct {
    Condition condition;
    std::uint32_t left, right;
    bool holds;
  } cases[] = {{Condition::Equal, 4, 4, true},
               {Condition::Equal, 4, 5, false},
               {Condition::Greater, 5, 4, true},
               {Condition::Greater, 4, 4, false},
               {Condition::Greater, 0xffffffff, 4, true},
               {Condition::GreaterEqual, 4, 4, true},
               {Condition::GreaterEqual, 3, 4, false},
               {Condition::GreaterEqual, kIntMin, 4, true},
               {Condition::AnyBitSet, 6, 2, true},
               {Condition::AnyBitSet, 6, 1, false},
               {Condition::AnyBitSet, kIntMin, kIntMin, true},
               {Condition::AnyBitSet, 6, 0, false}};
  for (const auto& c : cases) {
    const std::array<std::uint8_t, 4> left = {
        static_cast<std::uint8_t>(c.left >> 24), static_cast<std::uint8_t>(c.left >> 16),
        static_cast<std::uint8_t>(c.left >> 8), static_cast<std::uint8_t>(c.left)};
    const Packet packet(left.begin(), left.end());
    for (const Insn& load : {Insn(a(c.left)), Insn(LoadAbsolute{Size::Word, 0})}) {
      for (const Operand& operand : {k(c.right), kX}) {
        const std::uint32_t yes = c.holds ? 1 : 0;
        // Only the true branch skips, only the false one, both.
        expect_value({x(c.right), load, JumpIf{c.condition, operand, 1, 0}, ReturnConstant{0},
                      ReturnConstant{1}},
                     packet, yes);
        expect_value({x(c.right), load, JumpIf{c.condition, operand, 0, 1}, ReturnConstant{1},
                      ReturnConstant{0}},
                     packet, yes);
        expect_value({x(c.right), load, JumpIf{c.condition, operand, 1, 2}, ReturnConstant{9},
                      ReturnConstant{1}, ReturnConstant{0}},
                     packet, yes);
      }
    }
  }
}

/// A divisor is looked at again whenever X may have changed, on every path.
TEST_F(OriginalSuite, DivisionsByX) {
  const Insn divide = Alu{AluOp::Div, kX};
  const Insn byte0 = LoadAbsolute{Size::Byte, 0};
  const Insn byte1 = LoadAbsolute{Size::Byte, 1};
  expect_value({a(8), x(0), divide, ReturnConstant{1}}, {}, 0);
  expect_value({a(8), x(1), divide, ReturnConstant{1}}, {}, 1);
  for (const std::vector<Insn>& again :
       {std::vector<Insn>{}, {x(0)}, {x(3)}, {LoadHeaderLength{1}}, {kTax}, {byte1, kTax}}) {
    for (const bool on_both : {false, true}) {
      // byte0 / X, then X anew on one path or on both, then A / X
      std::vector<Insn> insns = {
          byte1, kTax, byte0, divide,
          JumpIf{Condition::Equal, k(1), static_cast<std::uint8_t>(on_both ? 0 : again.size()), 0}};
      insns.insert(insns.end(), again.begin(), again.end());
      insns.insert(insns.end(), {divide, Alu{AluOp::Mod, kX}, ReturnConstant{5}});
      expect_agreement(insns);
    }
  }
}

/// One guard may serve several loads, and one in a block those behind it, but none may be wider than every
/// path to a match needs.
TEST_F(OriginalSuite, GuardsOfAbsoluteLoads) {
  const auto byte = [](std::uint32_t at) { return Insn(LoadAbsolute{Size::Byte, at}); };
  const auto half = [](std::uint32_t at) { return Insn(LoadAbsolute{Size::Half, at}); };
  const Insn branch = JumpIf{Condition::Equal, k(10), 0, 2};
  const std::vector<std::vector<Insn>> programs = {
      {half(10), byte(8), ReturnConstant{1}},
      {a(3), ReturnConstant{1}},
      {half(10), branch, byte(9), ReturnConstant{1}, half(8), ReturnConstant{1}},
      {byte(10), branch, half(14), ReturnConstant{1}, byte(2), ReturnConstant{0}},
      {byte(10), JumpIf{Condition::Equal, k(10), 0, 4}, half(14),
       JumpIf{Condition::Equal, k(14), 0, 2}, half(16), ReturnConstant{1}, byte(30),
       ReturnConstant{0}},
      {byte(10), branch, byte(14), ReturnConstant{1}, half(14), ReturnConstant{1}},
      {byte(10), branch, byte(14), ReturnConstant{1}, half(14), ReturnA{}}};
  for (const std::vector<Insn>& program : programs) {
    expect_agreement(program);
  }
}

TEST_F(OriginalSuite, GuardsOfIndirectLoads) {
  const auto byte = [](std::uint32_t at) { return Insn(LoadIndirect{Size::Byte, at}); };
  const auto half = [](std::uint32_t at) { return Insn(LoadIndirect{Size::Half, at}); };
  const Insn branch = JumpIf{Condition::Equal, k(10), 0, 3};
  for (const std::vector<Insn>& clobber :
       {std::vector<Insn>{Jump{0}},
        {x(2)},
        {LoadHeaderLength{0}},
        {kTax},
        {StoreScratch{Register::A, 2}, LoadScratch{Register::X, 2}}}) {
    for (const std::uint32_t first : {8U, 10U, 13U}) {
      // X from the packet; a load, a branch, loads at both sides of the first; X anew, or not; a load.
      std::vector<Insn> program = {LoadAbsolute{Size::Byte, 1},
                                   kTax,
                                   half(first),
                                   branch,
                                   byte(9),
                                   byte(14),
                                   Jump{1},
                                   half(8)};
      program.insert(program.end(), clobber.begin(), clobber.end());
      program.insert(program.end(), {byte(9), half(12), ReturnA{}});
      expect_agreement(program);
      program.back() = ReturnConstant{1};
      expect_agreement(program);
      program.insert(program.begin() + 4, clobber.begin(), clobber.end());
      program[3] =
          JumpIf{Condition::Equal, k(10), 0, static_cast<std::uint8_t>(3 + clobber.size())};
      expect_agreement(program);
    }
  }
}

}  // namespace
}  // namespace differential
