// SPDX-License-Identifier: BSD-3-Clause

#include <cbpfc/compile.h>
#include <cbpfc/text.h>
#include <gtest/gtest.h>

namespace cbpfc {
namespace {

using ebpf::Reg;

Filter filter(const char* text) {
  const auto raw = parse_program(text);
  EXPECT_TRUE(raw) << raw.error().message;
  const auto decoded = Filter::decode(*raw);
  EXPECT_TRUE(decoded) << decoded.error().message;
  return *decoded;
}

// ip and udp, on Ethernet
constexpr const char* kUdp = "6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 17,6 0 0 262144,6 0 0 0";

std::string listing(const Filter& f, const EbpfOptions& options) {
  ebpf::Assembly code = compile_ebpf(f, options).value();
  code.label(options.result_label);
  code.add(ebpf::exit_insn());
  return ebpf::print(code.assemble().value());
}

TEST(CompileEbpf, Golden) {
  EXPECT_EQ(listing(filter(kUdp), {}),
            "   0: (bf) r6 = r2\n"
            "   1: (07) r6 += 24\n"
            "   2: (2d) if r6 > r3 goto pc+7\n"
            "   3: (69) r4 = *(u16 *)(r2 +12)\n"
            "   4: (dc) r4 = be16 r4\n"
            "   5: (56) if w4 != 2048 goto pc+4\n"
            "   6: (71) r4 = *(u8 *)(r2 +23)\n"
            "   7: (56) if w4 != 17 goto pc+2\n"
            "   8: (b4) w4 = 262144\n"
            "   9: (05) goto pc+2\n"
            "  10: (b4) w4 = 0\n"
            "  11: (05) goto pc+0\n"
            "  12: (95) exit\n");
}

TEST(CompileEbpf, UsesTheCallersRegistersLabelsAndStack) {
  const Filter f = filter("6,0 0 0 7,2 0 0 15,177 0 0 0,80 0 0 2,12 0 0 0,22 0 0 0");
  EXPECT_EQ(listing(f, {.packet_start = Reg::R8,
                        .packet_end = Reg::R9,
                        .result = Reg::R8,
                        .working = {Reg::R0, Reg::R1, Reg::R4, Reg::R5},
                        .result_label = "done",
                        .label_prefix = "f1",
                        .stack_offset_bytes = 32}),
            "   0: (b4) w0 = 7\n"
            "   1: (63) *(u32 *)(r10 -96) = r0\n"
            "   2: (bf) r4 = r8\n"
            "   3: (07) r4 += 1\n"
            "   4: (2d) if r4 > r9 goto pc+12\n"
            "   5: (71) r1 = *(u8 *)(r8 +0)\n"
            "   6: (54) w1 &= 15\n"
            "   7: (64) w1 <<= 2\n"
            "   8: (bc) w5 = w1\n"
            "   9: (0f) r5 += r8\n"
            "  10: (bf) r4 = r5\n"
            "  11: (07) r4 += 3\n"
            "  12: (2d) if r4 > r9 goto pc+4\n"
            "  13: (71) r0 = *(u8 *)(r5 +2)\n"
            "  14: (0c) w0 += w1\n"
            "  15: (bc) w8 = w0\n"
            "  16: (05) goto pc+2\n"
            "  17: (b4) w8 = 0\n"
            "  18: (05) goto pc+0\n"
            "  19: (95) exit\n");
}

TEST(CompileEbpf, TakesTheLengthFromARegister) {
  const Filter f = filter("2,128 0 0 0,22 0 0 0");
  EXPECT_TRUE(reads_length(f));
  EXPECT_FALSE(reads_length(filter(kUdp)));
  EXPECT_EQ(listing(f, {.packet_length = Reg::R8}),
            "   0: (bc) w4 = w8\n"
            "   1: (05) goto pc+0\n"
            "   2: (95) exit\n");
}

TEST(CompileEbpf, JumpsToTheCallersLabelsWithoutAValue) {
  const EbpfOptions labels = {.match_label = "match", .no_match_label = "miss"};
  const auto print = [&](const Filter& f) {
    ebpf::Assembly code = compile_ebpf(f, labels).value();
    code.label("match");
    code.add(ebpf::mov32(Reg::R0, 1U));
    code.add(ebpf::exit_insn());
    code.label("miss");
    code.add(ebpf::mov32(Reg::R0, 0U));
    code.add(ebpf::exit_insn());
    return ebpf::print(code.assemble().value());
  };
  EXPECT_EQ(print(filter(kUdp)),
            "   0: (bf) r6 = r2\n"
            "   1: (07) r6 += 24\n"
            "   2: (2d) if r6 > r3 goto pc+8\n"
            "   3: (69) r4 = *(u16 *)(r2 +12)\n"
            "   4: (dc) r4 = be16 r4\n"
            "   5: (56) if w4 != 2048 goto pc+5\n"
            "   6: (71) r4 = *(u8 *)(r2 +23)\n"
            "   7: (16) if w4 == 17 goto pc+1\n"
            "   8: (05) goto pc+2\n"
            "   9: (b4) w0 = 1\n"
            "  10: (95) exit\n"
            "  11: (b4) w0 = 0\n"
            "  12: (95) exit\n");
  // ldb [0]; ret a: a value that is not known
  EXPECT_EQ(print(filter("2,48 0 0 0,22 0 0 0")),
            "   0: (bf) r6 = r2\n"
            "   1: (07) r6 += 1\n"
            "   2: (2d) if r6 > r3 goto pc+5\n"
            "   3: (71) r4 = *(u8 *)(r2 +0)\n"
            "   4: (16) if w4 == 0 goto pc+3\n"
            "   5: (05) goto pc+0\n"
            "   6: (b4) w0 = 1\n"
            "   7: (95) exit\n"
            "   8: (b4) w0 = 0\n"
            "   9: (95) exit\n");
  // ret #1: one label would be left out, and what the caller put there unreachable
  EXPECT_EQ(print(filter("1,6 0 0 1")),
            "   0: (b4) w4 = 0\n"
            "   1: (56) if w4 != 0 goto pc+3\n"
            "   2: (05) goto pc+0\n"
            "   3: (b4) w0 = 1\n"
            "   4: (95) exit\n"
            "   5: (b4) w0 = 0\n"
            "   6: (95) exit\n");
}

// ldh [0]; tax; ldh [x - 2]; ret a: a load of each kind, X unbounded
constexpr const char* kIndirect = "4,40 0 0 0,7 0 0 0,72 0 0 4294967294,22 0 0 0";

TEST(CompileEbpf, ReadsABuffer) {
  EbpfOptions options = {.access = PacketAccess::Buffer, .buffer_size_bytes = 100};
  EXPECT_EQ(listing(filter(kIndirect), options),
            "   0: (a5) if r3 < 2 goto pc+17\n"
            "   1: (69) r4 = *(u16 *)(r2 +0)\n"
            "   2: (dc) r4 = be16 r4\n"
            "   3: (b4) w5 = 0\n"
            "   4: (0c) w5 += w4\n"
            "   5: (b4) w7 = -2\n"
            "   6: (0c) w7 += w5\n"
            "   7: (bf) r6 = r10\n"
            "   8: (1f) r6 -= r10\n"
            "   9: (0c) w7 += w6\n"
            "  10: (25) if r7 > 98 goto pc+7\n"
            "  11: (b4) w6 = 2\n"
            "  12: (0c) w6 += w7\n"
            "  13: (2d) if r6 > r3 goto pc+4\n"
            "  14: (0f) r7 += r2\n"
            "  15: (69) r4 = *(u16 *)(r7 +0)\n"
            "  16: (dc) r4 = be16 r4\n"
            "  17: (05) goto pc+2\n"
            "  18: (b4) w4 = 0\n"
            "  19: (05) goto pc+0\n"
            "  20: (95) exit\n");
  options.buffer_on_stack = true;
  EXPECT_EQ(listing(filter(kUdp), options),
            "   0: (a5) if r3 < 24 goto pc+9\n"
            "   1: (71) r4 = *(u8 *)(r2 +12)\n"
            "   2: (64) w4 <<= 8\n"
            "   3: (71) r6 = *(u8 *)(r2 +13)\n"
            "   4: (4c) w4 |= w6\n"
            "   5: (56) if w4 != 2048 goto pc+4\n"
            "   6: (71) r4 = *(u8 *)(r2 +23)\n"
            "   7: (56) if w4 != 17 goto pc+2\n"
            "   8: (b4) w4 = 262144\n"
            "   9: (05) goto pc+2\n"
            "  10: (b4) w4 = 0\n"
            "  11: (05) goto pc+0\n"
            "  12: (95) exit\n");
  // Beyond the buffer lies no byte, whatever the register says.
  EXPECT_EQ(listing(filter("2,40 0 0 99,22 0 0 0"), options),
            "   0: (b4) w4 = 0\n"
            "   1: (05) goto pc+0\n"
            "   2: (95) exit\n");
  options.buffer_size_bytes = 3;
  EXPECT_EQ(listing(filter("2,64 0 0 0,22 0 0 0"), options),
            "   0: (b4) w4 = 0\n"
            "   1: (05) goto pc+0\n"
            "   2: (95) exit\n");
}

TEST(CompileEbpf, ReadsByProbes) {
  const EbpfOptions options = {.packet_start = Reg::R6,
                               .packet_end = Reg::R7,
                               .result = Reg::R0,
                               .working = {Reg::R8, Reg::R9, Reg::R1, Reg::R2},
                               .stack_offset_bytes = 8,
                               .access = PacketAccess::Probe};
  EXPECT_EQ(listing(filter(kIndirect), options),
            "   0: (a5) if r7 < 2 goto pc+25\n"
            "   1: (bf) r3 = r6\n"
            "   2: (bf) r1 = r10\n"
            "   3: (07) r1 += -80\n"
            "   4: (b4) w2 = 2\n"
            "   5: (85) call 113\n"
            "   6: (55) if r0 != 0 goto pc+19\n"
            "   7: (69) r8 = *(u16 *)(r10 -80)\n"
            "   8: (dc) r8 = be16 r8\n"
            "   9: (b4) w9 = 0\n"
            "  10: (0c) w9 += w8\n"
            "  11: (b4) w3 = -2\n"
            "  12: (0c) w3 += w9\n"
            "  13: (bf) r1 = r3\n"
            "  14: (07) r1 += 2\n"
            "  15: (2d) if r1 > r7 goto pc+10\n"
            "  16: (0f) r3 += r6\n"
            "  17: (bf) r1 = r10\n"
            "  18: (07) r1 += -80\n"
            "  19: (b4) w2 = 2\n"
            "  20: (85) call 113\n"
            "  21: (55) if r0 != 0 goto pc+4\n"
            "  22: (69) r8 = *(u16 *)(r10 -80)\n"
            "  23: (dc) r8 = be16 r8\n"
            "  24: (bc) w0 = w8\n"
            "  25: (05) goto pc+2\n"
            "  26: (b4) w0 = 0\n"
            "  27: (05) goto pc+0\n"
            "  28: (95) exit\n");
}

TEST(CompileEbpf, TwoFragmentsFitIntoOneProgram) {
  ebpf::Assembly code =
      compile_ebpf(filter(kUdp), {.result_label = "first", .label_prefix = "f1"}).value();
  code.label("first");
  code.append(compile_ebpf(filter(kUdp), {.result_label = "second", .label_prefix = "f2"}).value());
  code.label("second");
  code.add(ebpf::exit_insn());
  EXPECT_TRUE(code.assemble());
}

}  // namespace
}  // namespace cbpfc
