// SPDX-License-Identifier: BSD-3-Clause
//
// Hand-written fragments: what must be proven, and what must not.

#include "verify/prove/prove.h"

#include <cbpfc/text.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cbpfc::prove {
namespace {

using ebpf::Alu;
using ebpf::Cmp;
using ebpf::Insn;
using ebpf::Reg;
using ebpf::Width;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<RawInsn> program(const char* text) {
  return parse_program(text).value();
}

constexpr const char* kIsIp = "4,40 0 0 12,21 0 1 2048,6 0 0 1,6 0 0 0";
constexpr const char* kReturnByte = "2,48 0 0 0,22 0 0 0";

/// Builds code that ends at its label "result".
template <typename Build>
std::vector<Insn> assemble(Build build) {
  ebpf::Assembly code;
  build(code);
  code.label("result");
  return code.assemble().value();
}

/// if start + end_bytes > packet_end goto no_match
void guard(ebpf::Assembly& code, std::int32_t end_bytes) {
  code.add(ebpf::mov(Reg::R6, Reg::R2));
  code.add(ebpf::alu(Alu::Add, Reg::R6, end_bytes));
  code.jump_if(Cmp::Greater, Reg::R6, Reg::R3, "no_match");
}

/// The end of most fragments: R4 = 1 or 0.
void answer(ebpf::Assembly& code, std::int32_t match = 1) {
  code.add(ebpf::mov(Reg::R4, match));
  code.jump("result");
  code.label("no_match");
  code.add(ebpf::mov(Reg::R4, 0));
}

std::vector<Insn> is_ip(std::int32_t guarded = 14, std::int16_t offset = 12,
                        std::uint32_t value = 8, Cmp condition = Cmp::NotEqual) {
  return assemble([&](ebpf::Assembly& code) {
    guard(code, guarded);
    code.add(ebpf::load(Width::Half, Reg::R4, Reg::R2, offset));
    code.jump_if32(condition, Reg::R4, value, "no_match");
    answer(code);
  });
}

Proof prove_is_ip(const std::vector<Insn>& insns) {
  return prove({.programs = {program(kIsIp)}, .insns = insns});
}

TEST(Prove, EqualOrAPacketThatShowsOtherwise) {
  EXPECT_EQ(print(prove_is_ip(is_ip())), "");
  const struct {
    std::vector<Insn> insns;
    Verdict verdict;
    std::string reason;
  } cases[] = {
      {is_ip(14, 12, 0x800), Verdict::Different, "the answers differ"},
      {is_ip(14, 12, 8, Cmp::Equal), Verdict::Different, "the answers differ"},
      {is_ip(14, 11), Verdict::Different, "the answers differ"},
      {is_ip(15), Verdict::Different, "the answers differ"},
      {is_ip(13), Verdict::Unsafe, "eBPF instruction 3 loads 2 bytes outside the packet"},
      {is_ip(14, 13), Verdict::Unsafe, "eBPF instruction 3 loads 2 bytes outside the packet"},
      {is_ip(14, -1), Verdict::Unsafe, "eBPF instruction 3 loads 2 bytes outside the packet"},
      {is_ip(-1), Verdict::Unsafe, "eBPF instruction 3 loads 2 bytes outside the packet"},
  };
  for (const auto& c : cases) {
    const Proof proof = prove_is_ip(c.insns);
    EXPECT_EQ(proof.verdict, c.verdict) << print(proof);
    EXPECT_EQ(proof.reason, c.reason);
    EXPECT_TRUE(proof.counterexample);
  }
}

TEST(Prove, CounterexamplesArePackets) {
  const Proof proof = prove_is_ip(is_ip(15));  // exactly 14 bytes are needed to show it
  ASSERT_TRUE(proof.counterexample);
  const Counterexample& found = *proof.counterexample;
  EXPECT_EQ(found.packet.size(), 14U);
  EXPECT_EQ(found.packet[12], 8);
  EXPECT_EQ(found.packet[13], 0);
  EXPECT_EQ(found.wanted, 1U);
  EXPECT_EQ(found.given, "0");
  EXPECT_THAT(print(proof),
              StartsWith("different: the answers differ; wanted 1, given 0; packet of "
                         "14 bytes (on the wire 14): "));
}

/// One fragment for each thing a fragment must not do; all answer 0 otherwise, and so does the filter.
TEST(Prove, SeesWhatAFragmentMustNotDo) {
  const struct {
    std::vector<Insn> insns;
    const char* reason;
  } cases[] = {
      {{ebpf::mov(Reg::R4, Reg::R5)}, "eBPF instruction 0 reads R5, which was not written"},
      {{ebpf::mov(Reg::R6, 0)}, "eBPF instruction 1 reads R4, which was not written"},
      {{ebpf::mov(Reg::R4, Reg::R2)},
       "eBPF instruction 1 ends with a pointer into the packet in R4"},
      {{ebpf::load(Width::Byte, Reg::R4, Reg::R10, -1)},
       "eBPF instruction 0 loads 1 bytes from R10-1, which were not written"},
      {{ebpf::store(Width::Word, Reg::R10, -516, 0)},
       "eBPF instruction 0 touches 4 bytes at R10-516, outside the stack"},
      {{ebpf::store(Width::Word, Reg::R10, -2, 0)},
       "eBPF instruction 0 touches 4 bytes at R10-2, outside the stack"},
      {{ebpf::store(Width::Word, Reg::R10, -6, 0)},
       "eBPF instruction 0 touches 4 bytes at R10-6, not aligned"},
      {{ebpf::store(Width::Byte, Reg::R2, 0, 0)},
       "eBPF instruction 0 stores through a pointer into the packet"},
      {{ebpf::mov(Reg::R10, 0)}, "eBPF instruction 0 writes R10, the frame pointer"},
      {{ebpf::mov32(Reg::R4, Reg::R2)}, "eBPF instruction 0 computes with a number and a pointer"},
      {{ebpf::alu(Alu::Mul, Reg::R2, 2)},
       "eBPF instruction 0 computes with a pointer into the packet"},
      {{ebpf::alu(Alu::Add, Reg::R3, 2)},
       "eBPF instruction 0 computes with the pointer behind the packet"},
      {{Insn{.opcode = 0x15, .registers = 2}},
       "eBPF instruction 0 compares a pointer into the packet with a number"},
      {{Insn{.opcode = 0x4d, .registers = 0x32}},
       "eBPF instruction 0 compares a pointer into the packet with the pointer behind the packet"},
      {{Insn{.opcode = 0x05, .offset = 7}}, "eBPF instruction 0 jumps out of the fragment"},
      {{Insn{.opcode = 0x05, .offset = -2}}, "eBPF instruction 0 jumps out of the fragment"},
      {{Insn{.opcode = 0x06}}, "eBPF instruction 0 unknown opcode 0x06"},
      {{Insn{.opcode = 0x01}}, "eBPF instruction 0 unknown opcode 0x01"},
      {{Insn{.opcode = 0x18}}, "eBPF instruction 0 the second half of a 16-byte load is missing"},
      {{Insn{.opcode = 0xb7, .registers = 12}}, "eBPF instruction 0 names a register above R10"},
      {{ebpf::exit_insn()}, "eBPF instruction 0 reads R0, which was not written"},
      {{ebpf::mov(Reg::R4, 0), Insn{.opcode = 0x05, .offset = -1}},
       "the eBPF loop at instruction 1 runs more than 64 rounds"},
  };
  for (const auto& c : cases) {
    const Proof proof = prove({.programs = {program("1,6 0 0 0")}, .insns = c.insns});
    EXPECT_EQ(proof.verdict, Verdict::Unsafe) << print(proof) << ebpf::print(c.insns);
    EXPECT_THAT(proof.reason, StartsWith(c.reason));
  }
}

TEST(Prove, WrongStepsThatNoPacketReachesAreNone) {
  // R4 = length; if it is more than 65,535, which no packet is, a load far outside.
  const auto insns = assemble([](ebpf::Assembly& code) {
    code.add(ebpf::mov(Reg::R4, Reg::R3));
    code.add(ebpf::alu(Alu::Sub, Reg::R4, Reg::R2));
    code.jump_if(Cmp::LessEqual, Reg::R4, 65535, "result");
    code.add(ebpf::load(Width::Byte, Reg::R4, Reg::R2, 30000));
  });
  EXPECT_EQ(print(prove({.programs = {program("2,128 0 0 0,22 0 0 0")}, .insns = insns})), "");
}

TEST(Prove, KeepsTheCallersRegistersAndStack) {
  const Writable writable{
      .registers = {Reg::R4, Reg::R6}, .stack_from_bytes = 32, .stack_to_bytes = 96};
  const struct {
    Insn insn;
    const char* reason;
  } cases[] = {
      {ebpf::mov(Reg::R6, 1), ""},
      {ebpf::mov(Reg::R7, 1), "eBPF instruction 0 writes R7, which is the caller's"},
      {ebpf::mov(Reg::R2, Reg::R2), "eBPF instruction 0 writes R2, which is the caller's"},
      {ebpf::call(7), "eBPF instruction 0 writes R0, which is the caller's"},
      {ebpf::store(Width::Word, Reg::R10, -36, 1), ""},
      {ebpf::store(Width::Word, Reg::R10, -32, 1),
       "eBPF instruction 0 stores to R10-32, which is the caller's"},
      {ebpf::store(Width::Word, Reg::R10, -96, 1), ""},
      {ebpf::store(Width::Word, Reg::R10, -100, 1),
       "eBPF instruction 0 stores to R10-100, which is the caller's"},
  };
  for (const auto& c : cases) {
    const std::vector<Insn> insns = {c.insn, ebpf::mov(Reg::R4, 0)};
    const Proof proof =
        prove({.programs = {program("1,6 0 0 0")}, .insns = insns, .writable = writable});
    EXPECT_EQ(proof.reason, c.reason);
    EXPECT_EQ(proof.verdict, *c.reason == '\0' ? Verdict::Equal : Verdict::Unsafe);
  }
}

TEST(Prove, RegistersMayHoldDifferentKindsOnDifferentPaths) {
  // R5 is a pointer for packets of no bytes, and a number for others; R6 tells which.
  const auto insns = [](Cmp condition) {
    return assemble([&](ebpf::Assembly& code) {
      code.add(ebpf::mov(Reg::R5, Reg::R2));
      guard(code, 1);
      code.add(ebpf::mov(Reg::R5, 7));
      code.label("no_match");
      code.add(ebpf::mov(Reg::R4, 0));
      code.add(ebpf::mov(Reg::R6, Reg::R3));
      code.add(ebpf::alu(Alu::Sub, Reg::R6, Reg::R2));
      code.jump_if(condition, Reg::R6, 0, "result");
      code.add(ebpf::mov32(Reg::R4, Reg::R5));
    });
  };
  const std::vector<std::vector<RawInsn>> programs = {program("3,48 0 0 0,0 0 0 7,22 0 0 0")};
  const std::vector<Insn> right = insns(Cmp::Equal);
  EXPECT_EQ(print(prove({.programs = programs, .insns = right})), "");
  const std::vector<Insn> wrong = insns(Cmp::Less);  // never
  const Proof proof = prove({.programs = programs, .insns = wrong});
  EXPECT_EQ(proof.verdict, Verdict::Unsafe) << print(proof);
  EXPECT_EQ(proof.reason,
            "eBPF instruction 9 computes with a number and a pointer into the packet");
}

TEST(Prove, ComparesAllOfTheResultOrWhetherItIsZero) {
  const auto insns = assemble([](ebpf::Assembly& code) {
    code.add(ebpf::mov(Reg::R4, 0));
    guard(code, 1);
    code.add(ebpf::load(Width::Byte, Reg::R4, Reg::R2, 0));
    code.add(ebpf::alu(Alu::Lsh, Reg::R4, 40));
    code.label("no_match");
  });
  const auto meaning = [&](Meaning m) {
    return prove({.programs = {program(kReturnByte)}, .meaning = m, .insns = insns}).verdict;
  };
  EXPECT_EQ(meaning(Meaning::Value), Verdict::Different);
  EXPECT_EQ(meaning(Meaning::Match), Verdict::Equal);
}

TEST(Prove, EndsAtLabels) {
  std::vector<Insn> insns = assemble([](ebpf::Assembly& code) {
    guard(code, 1);
    code.add(ebpf::load(Width::Byte, Reg::R4, Reg::R2, 0));
    code.jump_if(Cmp::Equal, Reg::R4, 0, "no_match");
    code.add(ebpf::exit_insn());
    code.label("no_match");
  });
  Claim claim{.programs = {program(kReturnByte)},
              .meaning = Meaning::Match,
              .insns = insns,
              .labels = Labels{.match = 5, .no_match = 6}};
  EXPECT_EQ(print(prove(claim)), "");
  claim.labels = Labels{.match = 6, .no_match = 5};
  EXPECT_EQ(prove(claim).verdict, Verdict::Different);
  claim.labels = Labels{.match = 5, .no_match = 1000};
  EXPECT_EQ(prove(claim).reason, "eBPF instruction 6 ends elsewhere than at the two labels");
  claim.meaning = Meaning::Value;
  EXPECT_EQ(prove(claim).verdict, Verdict::Unsupported);
}

TEST(Prove, SetsAnswerWithTheFirstThatMatches) {
  // 1: first byte 7; 2: first byte not 0.
  const std::vector<std::vector<RawInsn>> programs = {
      program("4,48 0 0 0,21 0 1 7,6 0 0 9,6 0 0 0"), program(kReturnByte)};
  const auto insns = [](std::int32_t first, std::int32_t second) {
    return assemble([&](ebpf::Assembly& code) {
      guard(code, 1);
      code.add(ebpf::load(Width::Byte, Reg::R5, Reg::R2, 0));
      code.jump_if(Cmp::Equal, Reg::R5, 0, "no_match");
      code.add(ebpf::mov(Reg::R4, first));
      code.jump_if(Cmp::Equal, Reg::R5, 7, "result");
      answer(code, second);
    });
  };
  const auto proof = [&](std::int32_t first, std::int32_t second) {
    const std::vector<Insn> code = insns(first, second);
    return prove({.programs = programs, .meaning = Meaning::FirstMatch, .insns = code});
  };
  EXPECT_EQ(print(proof(1, 2)), "");
  const Proof wrong = proof(2, 2);
  EXPECT_EQ(wrong.verdict, Verdict::Different);
  EXPECT_EQ(wrong.counterexample->packet[0], 7);
  EXPECT_EQ(wrong.counterexample->wanted, 1U);
}

TEST(Prove, TheLengthMayBeMoreThanWhatIsThere) {
  const std::vector<std::vector<RawInsn>> length = {program("2,128 0 0 0,22 0 0 0")};
  const ebpf::EntryState entry{.packet_length = Reg::R7};
  const std::vector<Insn> by_register = {ebpf::mov(Reg::R4, Reg::R7)};
  EXPECT_EQ(print(prove({.programs = length, .insns = by_register, .entry = entry})), "");
  const std::vector<Insn> by_pointers = {ebpf::mov(Reg::R4, Reg::R3),
                                         ebpf::alu(Alu::Sub, Reg::R4, Reg::R2)};
  EXPECT_EQ(print(prove({.programs = length, .insns = by_pointers})), "");
  const Proof proof = prove({.programs = length, .insns = by_pointers, .entry = entry});
  EXPECT_EQ(proof.verdict, Verdict::Different);
  EXPECT_GT(proof.counterexample->wire_length_bytes, proof.counterexample->packet.size());
}

TEST(Prove, BuffersAndProbeReads) {
  const auto buffer = assemble([](ebpf::Assembly& code) {
    code.jump_if(Cmp::Less, Reg::R3, 14, "no_match");
    code.add(ebpf::load(Width::Half, Reg::R4, Reg::R2, 12));
    code.jump_if32(Cmp::NotEqual, Reg::R4, 8U, "no_match");
    answer(code);
  });
  const auto probe = [](std::int32_t guarded) {
    return assemble([&](ebpf::Assembly& code) {
      code.jump_if(Cmp::Less, Reg::R7, guarded, "no_match");
      code.add(ebpf::mov(Reg::R1, Reg::R10));
      code.add(ebpf::alu(Alu::Add, Reg::R1, -8));
      code.add(ebpf::mov(Reg::R2, 2));
      code.add(ebpf::mov(Reg::R3, Reg::R6));
      code.add(ebpf::alu(Alu::Add, Reg::R3, 12));
      code.add(ebpf::call(113));
      code.add(ebpf::load(Width::Half, Reg::R4, Reg::R10, -8));
      code.jump_if32(Cmp::NotEqual, Reg::R4, 8U, "no_match");
      answer(code);
    });
  };
  const std::vector<std::vector<RawInsn>> ip = {program(kIsIp)};
  EXPECT_EQ(
      print(prove({.programs = ip, .insns = buffer, .entry = {.access = PacketAccess::Buffer}})),
      "");
  const ebpf::EntryState entry{
      .access = PacketAccess::Probe, .packet_start = Reg::R6, .packet_end = Reg::R7};
  const std::vector<Insn> right = probe(14);
  EXPECT_EQ(print(prove({.programs = ip, .insns = right, .entry = entry})), "");
  const std::vector<Insn> unguarded = probe(13);
  const Proof proof = prove({.programs = ip, .insns = unguarded, .entry = entry});
  EXPECT_EQ(proof.reason, "eBPF instruction 6 reads 2 bytes outside the packet");
  EXPECT_EQ(proof.verdict, Verdict::Unsafe);
}

TEST(Prove, FactsOutsideOfThePacket) {
  const struct {
    const char* program;
    std::vector<Insn> insns;
  } cases[] = {
      {"2,32 0 0 4294963208,22 0 0 0", {ebpf::load(Width::Word, Reg::R4, Reg::R1, 12)}},
      {"2,32 0 0 4294963224,22 0 0 0", {ebpf::load(Width::Word, Reg::R4, Reg::R1, 16)}},
      {"2,32 0 0 4294963236,22 0 0 0", {ebpf::call(8), ebpf::mov(Reg::R4, Reg::R0)}},
      {"2,32 0 0 4294963256,22 0 0 0", {ebpf::call(7), ebpf::mov(Reg::R4, Reg::R0)}},
  };
  for (const auto& c : cases) {
    for (const auto& other : cases) {
      const Proof proof = prove(
          {.programs = {program(c.program)}, .insns = other.insns, .entry = {.context = Reg::R1}});
      EXPECT_EQ(proof.verdict == Verdict::Equal, &c == &other) << print(proof);
    }
  }
}

TEST(Prove, StackKeepsNumbersPointersAndTheirParts) {
  const auto insns = assemble([](ebpf::Assembly& code) {
    guard(code, 4);
    code.add(ebpf::store(Width::Double, Reg::R10, -8, Reg::R2));
    code.add(ebpf::load(Width::Double, Reg::R5, Reg::R10, -8));
    code.add(ebpf::load(Width::Word, Reg::R5, Reg::R5, 0));
    code.add(ebpf::store(Width::Word, Reg::R10, -16, Reg::R5));
    code.add(ebpf::store(Width::Byte, Reg::R10, -13, 0x55));
    code.add(ebpf::load(Width::Half, Reg::R4, Reg::R10, -14));
    code.jump("result");
    code.label("no_match");
    code.add(ebpf::mov(Reg::R4, 0));
  });
  // Bytes 2 and 3 in the machine's order, byte 3 replaced: 0x5500 + byte 2.
  EXPECT_EQ(print(prove({.programs = {program("4,32 0 0 0,48 0 0 2,4 0 0 21760,22 0 0 0")},
                         .insns = insns})),
            "");
}

/// A classic loop: from byte 0 on, skips bytes of value 1, and answers the first other byte.
constexpr const char* kLoop =
    "7,1 0 0 0,80 0 0 0,21 0 3 1,135 0 0 0,4 0 0 1,7 0 0 0,5 0 0 4294967290";

TEST(Prove, LoopsOfPacketsOfAGivenLength) {
  std::vector<RawInsn> loop = program(kLoop);
  loop[2] = {.code = 0x15, .jt = 0, .jf = 4, .k = 1};  // other: return A
  loop.push_back({.code = 0x16});
  const auto insns = [](std::int32_t step) {
    return assemble([&](ebpf::Assembly& code) {
      code.add(ebpf::mov(Reg::R5, Reg::R2));
      code.label("loop");
      code.add(ebpf::mov(Reg::R6, Reg::R5));
      code.add(ebpf::alu(Alu::Add, Reg::R6, 1));
      code.jump_if(Cmp::Greater, Reg::R6, Reg::R3, "no_match");
      code.add(ebpf::load(Width::Byte, Reg::R4, Reg::R5, 0));
      code.jump_if(Cmp::NotEqual, Reg::R4, 1, "result");
      code.add(ebpf::alu(Alu::Add, Reg::R5, step));
      code.jump("loop");
      code.label("no_match");
      code.add(ebpf::mov(Reg::R4, 0));
    });
  };
  const std::vector<Insn> right = insns(1);
  EXPECT_EQ(print(prove({.programs = {loop}, .insns = right}, {.max_packet_bytes = 40})), "");
  EXPECT_EQ(
      prove({.programs = {loop}, .insns = right}).reason,
      "the classic program's loop at instruction 1 runs more than 64 rounds for packets of up "
      "to 65535 bytes");
}

TEST(Prove, WhatDoesNotEndInTimeIsUnknown) {
  // (a + b) * c and a * c + b * c, on 32 bits: equal, and hard for a solver of bits.
  const auto insns = assemble([](ebpf::Assembly& code) {
    guard(code, 12);
    for (const auto& [reg, offset] : {std::pair(Reg::R4, 0), {Reg::R5, 4}, {Reg::R7, 8}}) {
      code.add(ebpf::load(Width::Word, reg, Reg::R2, static_cast<std::int16_t>(offset)));
      code.add(ebpf::from_be(reg, 32));
    }
    code.add(ebpf::alu32(Alu::Mul, Reg::R4, Reg::R7));
    code.add(ebpf::alu32(Alu::Mul, Reg::R5, Reg::R7));
    code.add(ebpf::alu32(Alu::Add, Reg::R4, Reg::R5));
    code.jump("result");
    code.label("no_match");
    code.add(ebpf::mov(Reg::R4, 0));
  });
  const Proof proof =
      prove({.programs = {program("10,32 0 0 0,2 0 0 0,32 0 0 4,97 0 0 0,12 0 0 0,2 0 0 0,32 0 0 8,"
                                  "97 0 0 0,44 0 0 0,22 0 0 0")},
             .insns = insns},
            {.timeout = std::chrono::milliseconds(300)});
  EXPECT_EQ(proof.verdict, Verdict::Unknown) << print(proof);
  EXPECT_EQ(proof.reason, "the solver did not end in 300 ms");
  EXPECT_LT(proof.time, std::chrono::seconds(3));
}

TEST(Prove, SaysWhatItDoesNotKnow) {
  const std::vector<Insn> zero = {ebpf::mov(Reg::R4, 0)};
  const struct {
    std::vector<RawInsn> program;
    std::vector<Insn> insns;
    const char* reason;
  } cases[] = {
      {{}, zero, "prove: the classic program is empty"},
      {{{.code = 0x21}}, zero, "prove: classic instruction 0: "},
      {{{.code = 0x05, .k = 7}}, zero, "prove: classic instruction 0: leaves the program"},
      {{{.code = 0x00}}, zero, "prove: classic instruction 0: leaves the program"},
      {program("2,32 0 0 4294963200,22 0 0 0"), zero,
       "prove: classic instruction 0: ancillary load 0 has no meaning here"},
      {program("2,32 0 0 4293918720,22 0 0 0"), zero,
       "prove: classic instruction 0: a load relative to a header has no meaning here"},
      {program("1,6 0 0 0"), {ebpf::call(1)}, "prove: eBPF instruction 0: calls helper 1"},
      {program("1,6 0 0 0"),
       {{.opcode = 0x18, .registers = 0x11}, {}},
       "prove: eBPF instruction 0: loads a map"},
      {program("1,6 0 0 0"),
       {ebpf::mov(Reg::R4, 0), {.opcode = 0x37, .registers = 4, .offset = 1}},
       "prove: eBPF instruction 1: signed division"},
  };
  for (const auto& c : cases) {
    const Proof proof = prove({.programs = {c.program}, .insns = c.insns});
    EXPECT_EQ(proof.verdict, Verdict::Unsupported) << print(proof);
    EXPECT_THAT(proof.reason, StartsWith(c.reason));
  }
}

}  // namespace
}  // namespace cbpfc::prove
