// SPDX-License-Identifier: BSD-3-Clause

#include "verify/interpreter/ebpf_interpret.h"

#include <cbpfc/compile.h>
#include <cbpfc/pcap_filter.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "verify/interpreter/interpret.h"

namespace cbpfc::ebpf {
namespace {

using Packet = std::vector<std::uint8_t>;
using Program = std::vector<Insn>;

/// An instruction by its fields, for what ebpf.h does not make.
Insn raw(int code, int dst, int src, int offset, std::int32_t immediate) {
  return {.opcode = static_cast<std::uint8_t>(code),
          .registers = static_cast<std::uint8_t>(dst | src << 4),
          .offset = static_cast<std::int16_t>(offset),
          .immediate = immediate};
}

/// R1 = value, by the 16-byte load.
Program load64(Reg dst, std::uint64_t value) {
  return {raw(0x18, static_cast<int>(dst), 0, 0, static_cast<std::int32_t>(value)),
          raw(0, 0, 0, 0, static_cast<std::int32_t>(value >> 32))};
}

Program operator+(Program left, const Program& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

const Packet kPacket = {0, 1, 2, 3, 4, 5, 6, 7, 8, 0x89, 0xab, 0xcd};

std::string error_of(const Program& program, const EntryState& entry = {}) {
  const auto run = interpret(program, kPacket, entry, 1000);
  return run ? "no error" : run.error().message;
}

struct Arithmetic {
  int opcode;  ///< with the operation in the high bits, without class and source
  bool wide;
  std::uint64_t left, right, expected;
};

TEST(EbpfInterpret, Arithmetic) {
  constexpr std::uint64_t kMinus = 0xffff'ffff'ffff'fff0;
  const Arithmetic cases[] = {
      {0x00, true, 0xffff'ffff, 1, 0x1'0000'0000},
      {0x00, false, 0xffff'ffff, 1, 0},
      {0x10, true, 1, 2, 0xffff'ffff'ffff'ffff},
      {0x10, false, 1, 2, 0xffff'ffff},
      {0x20, true, 0x1'0000'0000, 3, 0x3'0000'0000},
      {0x20, false, 0x8000'0001, 2, 2},
      {0x30, true, 0x9'0000'0000, 2, 0x4'8000'0000},
      {0x30, false, 0x9'0000'0009, 2, 4},
      {0x30, true, 7, 0, 0},
      {0x30, false, 7, 0x1'0000'0000, 0},
      {0x40, true, kMinus, 0xf, 0xffff'ffff'ffff'ffff},
      {0x40, false, kMinus, 0xf, 0xffff'ffff},
      {0x50, true, kMinus, 0xff, 0xf0},
      {0x60, true, 3, 63, 0x8000'0000'0000'0000},
      {0x60, true, 3, 64, 3},
      {0x60, false, 3, 31, 0x8000'0000},
      {0x60, false, 3, 33, 6},
      {0x70, true, kMinus, 60, 0xf},
      {0x70, false, kMinus, 28, 0xf},
      {0x80, true, 1, 0, 0xffff'ffff'ffff'ffff},
      {0x80, false, 1, 0, 0xffff'ffff},
      {0x90, true, 0x1'0000'0001, 16, 1},
      {0x90, true, 0x1'0000'0001, 0, 0x1'0000'0001},
      {0x90, false, 0x1'0000'0001, 0, 1},
      {0xa0, true, kMinus, 1, 0xffff'ffff'ffff'fff1},
      {0xb0, true, 1, kMinus, kMinus},
      {0xb0, false, 1, kMinus, 0xffff'fff0},
      {0xc0, true, kMinus, 4, 0xffff'ffff'ffff'ffff},
      {0xc0, false, kMinus, 4, 0xffff'ffff},
      {0xc0, false, 0x7fff'ffff, 4, 0x7ff'ffff},
  };
  for (const Arithmetic& c : cases) {
    const int code = c.opcode | (c.wide ? 7 : 4);
    const int source = c.opcode == 0x80 ? 0 : 8;  // negation has one operand
    const Program program = load64(Reg::R1, c.left) + load64(Reg::R5, c.right) +
                            Program{raw(code | source, 1, 5, 0, 0)};
    const auto run = interpret(program, {}, {});
    ASSERT_TRUE(run) << run.error().message;
    EXPECT_EQ(run->registers[1], c.expected) << print(program);
  }
  // An immediate is sign-extended to 64 bits.
  EXPECT_EQ(interpret(Program{mov(Reg::R1, 0), raw(0x17, 1, 0, 0, -1)}, {}, {})->registers[1], 1U);
}

TEST(EbpfInterpret, ByteOrder) {
  constexpr std::uint64_t kValue = 0x0102'0304'0506'0708;
  const struct {
    int opcode, bits;
    std::uint64_t expected;
  } cases[] = {
      {0xdc, 16, 0x0807}, {0xdc, 32, 0x0807'0605}, {0xdc, 64, 0x0807'0605'0403'0201},
      {0xd4, 16, 0x0708}, {0xd4, 32, 0x0506'0708}, {0xd4, 64, kValue},
      {0xd7, 16, 0x0807}, {0xd7, 32, 0x0807'0605}, {0xd7, 64, 0x0807'0605'0403'0201},
  };
  for (const auto& c : cases) {
    const auto run =
        interpret(load64(Reg::R1, kValue) + Program{raw(c.opcode, 1, 0, 0, c.bits)}, {}, {});
    ASSERT_TRUE(run) << run.error().message;
    EXPECT_EQ(run->registers[1], c.expected) << std::hex << c.opcode << ' ' << c.bits;
    EXPECT_EQ(run->insns, 2U);  // the 16-byte load is one
  }
}

TEST(EbpfInterpret, Comparisons) {
  constexpr std::uint64_t kMinus = 0xffff'ffff'ffff'fffe;  // -2; its low half is large, too
  constexpr std::uint64_t kHigh = 0x1'0000'0001;           // its low half is 1
  const struct {
    int condition;
    std::uint64_t left, right;
    bool holds, holds32;
  } cases[] = {
      {0x10, kHigh, 1, false, true},         {0x50, kHigh, 1, true, false},
      {0x20, kHigh, 1, true, false},         {0x20, kMinus, 1, true, true},
      {0x30, kHigh, 2, true, false},         {0x30, 2, 2, true, true},
      {0x40, kHigh, kHigh - 1, true, false}, {0xa0, 1, kMinus, true, true},
      {0xa0, kHigh, 2, false, true},         {0xb0, 2, 2, true, true},
      {0xb0, kHigh, 1, false, true},         {0x60, 1, kMinus, true, true},
      {0x60, kMinus, 1, false, false},       {0x70, 1, 1, true, true},
      {0x70, kMinus, 1, false, false},       {0xc0, kMinus, 1, true, true},
      {0xc0, 1, kMinus, false, false},       {0xd0, 1, 1, true, true},
      {0xd0, 1, kMinus, false, false},
  };
  for (const auto& c : cases) {
    for (const bool wide : {true, false}) {
      const Program program = load64(Reg::R1, c.left) + load64(Reg::R2, c.right) +
                              Program{raw(c.condition | 8 | (wide ? 5 : 6), 1, 2, 2, 0),
                                      mov(Reg::R0, 0), exit_insn(), mov(Reg::R0, 1), exit_insn()};
      const auto run = interpret(program, {}, {});
      ASSERT_TRUE(run) << run.error().message;
      EXPECT_EQ(run->registers[0] != 0, wide ? c.holds : c.holds32)
          << std::hex << c.condition << ' ' << c.left << ' ' << c.right << ' ' << wide;
      EXPECT_EQ(run->stopped_at, run->registers[0] != 0 ? 8U : 6U);
    }
  }
}

TEST(EbpfInterpret, LoadsFromPacketStackAndContext) {
  const struct {
    Program program;
    EntryState entry;
    std::uint64_t r0;
  } cases[] = {
      {{load(Width::Byte, Reg::R0, Reg::R2, 11)}, {}, 0xcd},
      {{load(Width::Half, Reg::R0, Reg::R2, 10)}, {}, 0xcdab},
      {{load(Width::Word, Reg::R0, Reg::R2, 8)}, {}, 0xcdab8908},
      {{load(Width::Double, Reg::R0, Reg::R2, 4)}, {}, 0xcdab'8908'0706'0504},
      {{mov(Reg::R1, 12), alu(Alu::Add, Reg::R1, Reg::R2), load(Width::Byte, Reg::R0, Reg::R1, -3)},
       {},
       0x89},
      {{mov(Reg::R0, Reg::R3), alu(Alu::Sub, Reg::R0, Reg::R2)}, {}, 12},
      {{mov(Reg::R0, Reg::R10), alu(Alu::Sub, Reg::R0, 8), alu(Alu::Sub, Reg::R0, Reg::R10)},
       {},
       0xffff'ffff'ffff'fff8},
      // Written, a byte of it overwritten, read whole.
      {{store(Width::Double, Reg::R10, -8, 0x1111), store(Width::Byte, Reg::R10, -7, 0x22),
        load(Width::Double, Reg::R0, Reg::R10, -8)},
       {},
       0x2211},
      {{store(Width::Half, Reg::R10, -512, -1), load(Width::Half, Reg::R0, Reg::R10, -512)},
       {},
       0xffff},
      // A pointer through the stack is a pointer still.
      {{store(Width::Double, Reg::R10, -16, Reg::R2), load(Width::Double, Reg::R1, Reg::R10, -16),
        load(Width::Byte, Reg::R0, Reg::R1, 9)},
       {},
       0x89},
      {{mov(Reg::R0, Reg::R3)}, {.access = PacketAccess::Buffer}, 12},
      {{load(Width::Byte, Reg::R0, Reg::R2, 9)}, {.access = PacketAccess::Buffer}, 0x89},
      {{mov(Reg::R0, Reg::R7)}, {.packet_length = Reg::R7, .wire_length_bytes = 99}, 99},
      {{load(Width::Word, Reg::R2, Reg::R1, 0), load(Width::Word, Reg::R3, Reg::R1, 4),
        mov(Reg::R0, Reg::R3), alu(Alu::Sub, Reg::R0, Reg::R2)},
       {.context = Reg::R1},
       12},
      {{load(Width::Word, Reg::R0, Reg::R1, 12)}, {.context = Reg::R1, .ingress_ifindex = 5}, 5},
      {{load(Width::Word, Reg::R0, Reg::R1, 16)}, {.context = Reg::R1, .rx_queue_index = 6}, 6},
      {{call(8)}, {.processor_id = 3}, 3},
      {{call(7)}, {.random = 0xdeadbeef}, 0xdeadbeef},
      {{mov(Reg::R1, Reg::R10), alu(Alu::Add, Reg::R1, -8), mov(Reg::R2, 4), mov(Reg::R3, Reg::R6),
        alu(Alu::Add, Reg::R3, 8), call(113), load(Width::Word, Reg::R0, Reg::R10, -8)},
       {.access = PacketAccess::Probe, .packet_start = Reg::R6, .packet_end = Reg::R7},
       0xcdab8908},
  };
  for (const auto& c : cases) {
    const auto run = interpret(c.program, kPacket, c.entry);
    ASSERT_TRUE(run) << run.error().message << '\n' << print(c.program);
    EXPECT_EQ(run->registers[0], c.r0) << print(c.program);
    EXPECT_EQ(run->stopped_at, c.program.size());
    EXPECT_EQ(run->insns, c.program.size());
  }
}

TEST(EbpfInterpret, TellsNumbersFromPointers) {
  const auto run = interpret(Program{mov(Reg::R0, 1), mov(Reg::R1, Reg::R2)}, kPacket, {});
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_TRUE(run->is_number[0]);
  EXPECT_FALSE(run->is_number[1]);
  EXPECT_FALSE(run->is_number[4]);
}

TEST(EbpfInterpret, StopsWhereItIsTold) {
  const Program program = {mov(Reg::R0, 1), raw(0x15, 0, 0, 1, 1), mov(Reg::R0, 2), exit_insn()};
  const auto run = interpret(program, kPacket, {.stops = {2, 3}});
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->stopped_at, 3U);
  EXPECT_EQ(run->insns, 2U);
}

TEST(EbpfInterpret, ComparesPointersAsTheKernelDoes) {
  for (const int length : {11, 12, 13}) {
    const Program program = {mov(Reg::R1, Reg::R2), alu(Alu::Add, Reg::R1, length),
                             raw(0x2d, 1, 3, 1, 0), load(Width::Byte, Reg::R0, Reg::R2, 11)};
    const auto run = interpret(program, kPacket, {});
    ASSERT_TRUE(run) << run.error().message;
    EXPECT_EQ(run->insns, length > 12 ? 3U : 4U);
  }
  // Before the packet is less than its end, whatever the address.
  const auto run = interpret(Program{mov(Reg::R1, Reg::R2), alu(Alu::Sub, Reg::R1, 1),
                                     raw(0xad, 1, 3, 1, 0), mov(Reg::R0, 1)},
                             kPacket, {});
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->insns, 3U);
}

TEST(EbpfInterpret, RefusesWhatTheVerifierWould) {
  const EntryState probe{
      .access = PacketAccess::Probe, .packet_start = Reg::R6, .packet_end = Reg::R7};
  const struct {
    Program program;
    const char* message;
    EntryState entry = {};
  } cases[] = {
      {{load(Width::Byte, Reg::R0, Reg::R2, 12)},
       "instruction 0: touches 1 byte at offset 12 of the packet, which has 12"},
      {{load(Width::Double, Reg::R0, Reg::R2, 5)},
       "instruction 0: touches 8 bytes at offset 5 of the packet, which has 12"},
      {{mov(Reg::R1, 0), load(Width::Half, Reg::R0, Reg::R2, -1)},
       "instruction 1: touches 2 bytes at offset -1 of the packet, which has 12"},
      {{load(Width::Byte, Reg::R0, Reg::R3, -1)},
       "instruction 0: loads through the pointer behind the packet"},
      {{mov(Reg::R1, 0), load(Width::Byte, Reg::R0, Reg::R1, 0)},
       "instruction 1: loads through a number"},
      {{store(Width::Byte, Reg::R2, 0, 1)},
       "instruction 0: stores through a pointer into the packet"},
      {{store(Width::Byte, Reg::R10, 0, 1)},
       "instruction 0: touches 1 byte at offset 512 of the stack, which has 512"},
      {{store(Width::Byte, Reg::R10, -513, 1)},
       "instruction 0: touches 1 byte at offset -1 of the stack, which has 512"},
      {{store(Width::Word, Reg::R10, -6, 1)},
       "instruction 0: stores 4 bytes to the stack, not aligned"},
      {{load(Width::Byte, Reg::R0, Reg::R10, -1)},
       "instruction 0: loads from R10-1, which was not written"},
      {{store(Width::Double, Reg::R10, -8, Reg::R2), load(Width::Word, Reg::R0, Reg::R10, -8)},
       "instruction 1: loads a part of a pointer from the stack"},
      {{store(Width::Double, Reg::R10, -8, Reg::R2), store(Width::Byte, Reg::R10, -1, 0),
        load(Width::Double, Reg::R0, Reg::R10, -8)},
       "instruction 2: loads from R10-8, which was not written"},
      {{store(Width::Word, Reg::R10, -8, Reg::R2)},
       "instruction 0: stores a part of a pointer into the packet"},
      {{load(Width::Double, Reg::R0, Reg::R1, 0)},
       "instruction 0: loads 8 bytes at offset 0 of the context",
       {.context = Reg::R1}},
      {{mov(Reg::R0, Reg::R5)}, "instruction 0: reads R5, which was not written"},
      {{mov(Reg::R10, 0)}, "instruction 0: writes R10, the frame pointer"},
      {{mov32(Reg::R0, Reg::R2)}, "instruction 0: copies half of a pointer into the packet"},
      {{alu(Alu::And, Reg::R2, 7)},
       "instruction 0: computes with a pointer into the packet and a number"},
      {{alu(Alu::Add, Reg::R3, 7)},
       "instruction 0: computes with the pointer behind the packet and a number"},
      {{alu32(Alu::Add, Reg::R2, 7U)},
       "instruction 0: computes with a pointer into the packet and a number"},
      {{alu(Alu::Add, Reg::R2, Reg::R3)},
       "instruction 0: computes with a pointer into the packet and the pointer behind the packet"},
      {{alu(Alu::Sub, Reg::R2, Reg::R10)},
       "instruction 0: computes with a pointer into the packet and a pointer into the stack"},
      {{neg32(Reg::R2)}, "instruction 0: computes with a pointer into the packet"},
      {{from_be(Reg::R2, 16)}, "instruction 0: swaps the bytes of a pointer into the packet"},
      {{raw(0x15, 2, 0, 0, 0)}, "instruction 0: compares a pointer into the packet with a number"},
      {{raw(0x2e, 2, 3, 0, 0)},
       "instruction 0: compares a pointer into the packet with the pointer behind the packet"},
      {{raw(0x4d, 2, 3, 0, 0)},
       "instruction 0: compares a pointer into the packet with the pointer behind the packet"},
      {{mov(Reg::R0, 1), raw(0x67, 0, 0, 0, 64)}, "instruction 1: shifts 64 bits by 64"},
      {{mov(Reg::R0, 1), raw(0x74, 0, 0, 0, 32)}, "instruction 1: shifts 32 bits by 32"},
      {{mov(Reg::R0, 1), raw(0x34, 0, 0, 0, 0)}, "instruction 1: divides by the constant 0"},
      {{raw(0x05, 0, 0, 1, 0)}, "instruction 0: jumps to 2, of 1 instructions"},
      {{raw(0x05, 0, 0, -2, 0)}, "instruction 0: jumps to -1, of 1 instructions"},
      {{raw(0x05, 0, 0, 1, 0), raw(0x18, 0, 0, 0, 0), raw(0, 0, 0, 0, 0)},
       "instruction 2: unknown opcode 0x00"},
      {{raw(0x18, 0, 0, 0, 0)}, "instruction 0: the second half of a 16-byte load is missing"},
      {{raw(0x18, 0, 1, 0, 0), raw(0, 0, 0, 0, 0)},
       "instruction 0: loads a map, and there are none here"},
      {{raw(0x20, 0, 0, 0, 0)}, "instruction 0: unknown opcode 0x20"},
      {{raw(0x79 | 0x80, 0, 2, 0, 0)}, "instruction 0: unknown opcode 0xf9"},
      {{raw(0xdb, 10, 0, -8, 0)}, "instruction 0: unknown opcode 0xdb"},
      {{mov(Reg::R0, 1), raw(0xe7, 0, 0, 0, 0)}, "instruction 1: unknown opcode 0xe7"},
      {{mov(Reg::R0, 1), raw(0xdc, 0, 0, 0, 8)}, "instruction 1: unknown opcode 0xdc"},
      {{mov(Reg::R0, 1), raw(0xf5, 0, 0, 0, 0)}, "instruction 1: unknown opcode 0xf5"},
      {{raw(0x06, 0, 0, 0, 0)}, "instruction 0: unknown opcode 0x06"},
      {{raw(0xb7, 11, 0, 0, 0)}, "instruction 0: names a register above R10"},
      {{mov(Reg::R0, 1), raw(0x37, 0, 0, 1, 3)},
       "instruction 1: signed division and moves with sign extension (cpu v4) are not known here"},
      {{exit_insn()}, "instruction 0: reads R0, which was not written"},
      {{call(1)}, "instruction 0: calls helper 1, which is not known here"},
      {{call(7), mov(Reg::R0, Reg::R2)}, "instruction 1: reads R2, which was not written"},
      {{raw(0x05, 0, 0, -1, 0)}, "instruction 0: stopped after 1000 instructions"},
      {{mov(Reg::R1, Reg::R10), mov(Reg::R2, 4), mov(Reg::R3, Reg::R6), call(113)},
       "instruction 3: touches 4 bytes at offset 512 of the stack, which has 512",
       probe},
      {{mov(Reg::R1, Reg::R10), alu(Alu::Add, Reg::R1, -8), mov(Reg::R2, 4), mov(Reg::R3, Reg::R6),
        alu(Alu::Add, Reg::R3, 9), call(113)},
       "instruction 5: touches 4 bytes at offset 9 of the packet, which has 12",
       probe},
      {{load(Width::Byte, Reg::R0, Reg::R6, 0)}, "instruction 0: loads through a number", probe},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(error_of(c.program, c.entry), std::string("run eBPF: ") + c.message)
        << print(c.program);
  }
}

/// A random packet that often is what the filters look for: IPv4 or IPv6 with small numbers.
Packet random_packet(std::mt19937_64& random) {
  Packet packet(random() % 100);
  for (std::uint8_t& byte : packet) {
    byte = static_cast<std::uint8_t>(random() % 3 == 0 ? random() : random() % 4);
  }
  const std::array<std::uint8_t, 12> ipv4 = {0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6};
  const std::array<std::uint8_t, 9> ipv6 = {0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 17};
  if (packet.size() >= 24 && random() % 4 != 0) {
    random() % 3 == 0 ? void(std::ranges::copy(ipv6, packet.begin() + 12))
                      : void(std::ranges::copy(ipv4, packet.begin() + 12));
  }
  return packet;
}

TEST(EbpfInterpret, CompiledFragmentsAnswerAsTheFilter) {
  std::mt19937_64 random(1);
  std::ifstream file(XDPCAP_TEST_DATA "/filters.txt");
  int filters = 0;
  int matches = 0;
  for (std::string line; std::getline(file, line);) {
    const Filter filter =
        Filter::decode(compile_expression(line).value(), Accept::Compiler).value();
    Assembly code = compile_ebpf(filter, {}).value();
    code.label("result");
    const std::vector<Insn> insns = code.assemble().value();
    ++filters;
    for (int i = 0; i < 100; ++i) {
      const Packet packet = random_packet(random);
      const auto length = static_cast<std::uint32_t>(packet.size());
      const auto run = interpret(insns, packet, {});
      ASSERT_TRUE(run) << line << ": " << run.error().message;
      ASSERT_EQ(run->registers[4], interpret(filter, packet, length).value())
          << line << ", " << packet.size() << " bytes";
      ASSERT_EQ(run->stopped_at, insns.size());
      matches += run->registers[4] != 0 ? 1 : 0;
    }
  }
  EXPECT_GT(filters, 50);
  EXPECT_GT(matches, 250);
}

}  // namespace
}  // namespace cbpfc::ebpf
