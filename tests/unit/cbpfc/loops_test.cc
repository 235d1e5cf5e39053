// SPDX-License-Identifier: BSD-3-Clause
//
// Backward jumps: the order of blocks, the bound of each loop, what is refused, and the code of counters.

#include <cbpfc/compile.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include "cbpfc/block_order.h"
#include "cbpfc/known_values.h"
#include "cbpfc/passes.h"

namespace cbpfc {
namespace {

Filter filter(const std::string& listing) {
  const auto raw = parse_program(listing);
  EXPECT_TRUE(raw) << raw.error().message;
  const auto decoded = Filter::decode(*raw, Accept::Compiler);
  EXPECT_TRUE(decoded) << decoded.error().message;
  return *decoded;
}

/// The graph after the passes, or why there is none.
std::string graph(const Filter& f, std::uint32_t max_packet_offset = 0xffff,
                  const AncillaryOptions& ancillary = {}) {
  auto cfg = build_cfg(f, max_packet_offset, ancillary);
  EXPECT_TRUE(cfg);
  const auto passed = run_passes(*cfg, max_packet_offset);
  if (!passed) {
    EXPECT_EQ(passed.error().code, Errc::Unsupported);
    return passed.error().message;
  }
  EXPECT_EQ(check_cfg(*cfg), "");
  return dump(*cfg);
}

/// Looks for a 6 at every eighth byte behind the IPv4 header.
constexpr const char* kScan =
    "(000) ldxb 4*([14]&0xf)\n(001) ldb [x + 14]\n(002) jeq #6 jt 7 jf 3\n(003) txa\n"
    "(004) add #8\n(005) tax\n(006) ja 1\n(007) ret #1\n";

TEST(Loops, BackwardJumpsWithoutALoopAreStraightened) {
  EXPECT_EQ(
      graph(filter("(000) ja 3\n(001) add #1\n(002) ret\n(003) ldb [0]\n(004) jeq #0 jt 5 jf "
                   "6\n(005) ja 1\n(006) ret #0\n")),
      "0:\n  guard p[..1]\n  a = p8[0]\n  if a == 0x0 goto 3 else 4\n3:\n  a += 0x1\n  return "
      "a\n4:\n  return 0x0\n");
  // An unreachable loop is none.
  EXPECT_EQ(graph(filter("(000) ret #1\n(001) ja 1\n(002) ret #0\n")), "0:\n  return 0x1\n");
}

TEST(Loops, AreCounted) {
  EXPECT_EQ(graph(filter(kScan)),
            "0:\n  guard p[..15]\n  x = 4 * (p8[14] & 0xf)\n  goto 1\n"
            "1:\n  loop of at most 16386 trips, hide x\n  goto 2\n"
            "2:\n  count\n  base = x + 14, guard [..1]\n  a = base8[0]\n"
            "  if a == 0x6 goto 4 else 3\n"
            "3:\n  a = x\n  a += 0x8\n  x = a\n  goto 2\n"
            "4:\n  return 0x1\n");
  EXPECT_NE(graph(filter(kScan), 200).find("loop of at most 53 trips, followed, hide x\n"),
            std::string::npos);
}

struct Bound {
  const char* what;
  const char* listing;
  std::uint32_t max_packet_offset;
  const char* bound;
};

TEST(Loops, AreBoundByThePacketsLengthOrTheValuesOfX) {
  for (const Bound& b : {
           Bound{"X from a byte and any constant: every offset",
                 "(000) ldb [0]\n(001) tax\n(002) ldb [x + 0]\n(003) jeq #1 jt 8 jf 4\n(004) txa\n"
                 "(005) add #1\n(006) tax\n(007) ja 2\n(008) ret #1\n",
                 1000, "at most 1003 trips"},
           Bound{"X a multiple of 8",
                 "(000) ldx #0\n(001) ldb [x + 0]\n(002) jeq #1 jt 7 jf 3\n(003) "
                 "txa\n(004) add #24\n(005) tax\n(006) ja 1\n(007) ret #1\n",
                 1000, "at most 128 trips"},
           Bound{"X from the byte that was loaded: 256 values",
                 "(000) ldb [x + 0]\n(001) jeq #1 jt 4 jf 2\n(002) tax\n(003) ja 0\n(004) ret #1\n",
                 1000, "at most 259 trips"},
           Bound{"the same, times 4, with 4 added",
                 "(000) ldb [x + 0]\n(001) jeq #1 jt 6 jf 2\n(002) add #1\n(003) mul #4\n(004) "
                 "tax\n(005) ja 0\n(006) ret #1\n",
                 0xffff, "at most 260 trips"},
           Bound{"two ways round, one of which starts anew: both count",
                 "(000) ldb [x + 0]\n(001) jeq #1 jt 9 jf 2\n(002) jeq #2 jt 3 jf 5\n(003) ldx "
                 "#4\n(004) ja 0\n(005) txa\n(006) add #4\n(007) tax\n(008) ja 0\n(009) ret #1\n",
                 1000, "at most 253 trips"},
       }) {
    const std::string text = graph(filter(b.listing), b.max_packet_offset);
    EXPECT_NE(text.find(std::string("loop of ") + b.bound), std::string::npos) << b.what << "\n"
                                                                               << text;
  }
}

TEST(Loops, OfLibpcapAreBound) {
  const struct {
    const char* expression;
    std::uint32_t max_packet_offset;
    std::vector<std::string> loops;
  } cases[] = {
      {"ip protochain 51", 0xffff, {"loop of at most 261 trips, followed, hide a, hide x"}},
      // 16,380 places for an extension header, 519 ways on from an authentication header
      {"ip6 protochain 6", 0xffff, {"loop of at most 16903 trips, hide a, hide x"}},
      {"ip6 protochain 6", 1000, {"loop of at most 504 trips, followed, hide a, hide x"}},
      {"protochain 6",
       0xffff,
       {"loop of at most 261 trips, followed, hide a, hide x",
        "loop of at most 16903 trips, hide a, hide x"}},
  };
  for (const auto& c : cases) {
    for (const bool optimize : {true, false}) {
      const auto raw = compile_expression(c.expression, {.optimize = optimize});
      const auto decoded = Filter::decode(raw.value(), Accept::Compiler);
      std::string text = graph(decoded.value(), c.max_packet_offset);
      for (const std::string& loop : c.loops) {
        const std::size_t at = text.find(loop + "\n");
        ASSERT_NE(at, std::string::npos) << c.expression << "\n" << text;
        text = text.substr(at);
      }
    }
  }
}

TEST(Loops, ThatMayNotEndAreRefused) {
  const std::string round = ": the loop that begins here can go round without ";
  const std::string nothing =
      "a load relative to X at a point where nothing but X counts, so that nothing shows that it ends";
  const std::string x = "changing X, and would never end";
  const struct {
    const char* what;
    const char* listing;
    std::string message;
  } cases[] = {
      {"nothing in it", "(000) ldb [0]\n(001) ja 1\n(002) ret #0\n",
       "instruction 1" + round + nothing},
      {"counts to 2^32",
       "(000) ld #1\n(001) add #1\n(002) jeq #0 jt 4 jf 3\n(003) ja 1\n(004) ret #1\n",
       "instruction 1" + round + nothing},
      {"X stays", "(000) ldb [x + 0]\n(001) jeq #1 jt 3 jf 2\n(002) ja 0\n(003) ret #1\n",
       "instruction 0" + round + x},
      {"X stays on one of two ways",
       "(000) ldb [x + 0]\n(001) jeq #1 jt 8 jf 2\n(002) jset #2 jt 3 jf 4\n(003) ja 0\n(004) "
       "txa\n(005) add #1\n(006) tax\n(007) ja 0\n(008) ret #1\n",
       "instruction 0" + round + x},
      {"the load is on one of two ways",
       "(000) ldx #1\n(001) txa\n(002) jset #1 jt 3 jf 4\n(003) ldb [x + 0]\n(004) txa\n(005) add "
       "#1\n(006) tax\n(007) jeq #9 jt 9 jf 8\n(008) ja 1\n(009) ret #1\n",
       "instruction 1" + round + nothing},
      {"scratch memory counts, too",
       "(000) ld #0\n(001) st M[0]\n(002) ldb [x + 0]\n(003) jeq #1 jt 11 jf 4\n(004) ld "
       "M[0]\n(005) add #1\n(006) st M[0]\n(007) txa\n(008) add #1\n(009) tax\n(010) ja 2\n(011) ld "
       "M[0]\n(012) ret\n",
       "instruction 2" + round + nothing},
      {"A is read before it is loaded",
       "(000) ldx #1\n(001) st M[0]\n(002) ldb [x + 0]\n(003) add #1\n(004) tax\n(005) jset #8 jt "
       "8 jf 6\n(006) ld M[0]\n(007) ja 1\n(008) ret #1\n",
       "instruction 1" + round + nothing},
      {"two ways in",
       "(000) ldb [0]\n(001) jeq #0 jt 2 jf 4\n(002) ldb [x + 1]\n(003) tax\n(004) ldb [x + "
       "2]\n(005) tax\n(006) jeq #7 jt 8 jf 7\n(007) ja 2\n(008) ret #1\n",
       "instruction 4: the loop that begins here is entered in two places, here and further on"},
      {"a loop in a loop",
       "(000) ldb [x + 0]\n(001) tax\n(002) ldb [x + 1]\n(003) tax\n(004) jeq #1 jt 5 jf 6\n(005) ja "
       "2\n(006) jeq #2 jt 7 jf 8\n(007) ja 0\n(008) ret #1\n",
       "instruction 2: the loop that begins here shares instructions with the one that begins at 0; "
       "loops within loops are not supported"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(graph(filter(c.listing)), c.message) << c.what;
  }
  std::vector<RawInsn> random = filter(kScan).encode();
  random[3] = {.code = 0x20, .k = kAncillaryOffset + 56};
  EXPECT_EQ(
      graph(Filter::decode(random, Accept::Compiler).value(), 0xffff, {.helpers = true}),
      "instruction 1: the loop that begins here calls a helper, whose answers may differ each "
      "time, so that nothing shows that it ends");
  // 200 checkpoints, one after the other
  std::vector<RawInsn> many = {{.code = 0xb1, .k = 14}};
  for (int i = 0; i < 200; ++i) {
    many.insert(many.end(), {{.code = 0x50, .k = 14},
                             {.code = 0x15, .jt = 1, .jf = 0, .k = 6},
                             {.code = 0x05, .k = 1},
                             {.code = 0x06, .k = 1},
                             {.code = 0x87},
                             {.code = 0x04, .k = 1},
                             {.code = 0x07}});
  }
  many.push_back({.code = 0x05, .k = static_cast<std::uint32_t>(-static_cast<int>(many.size()))});
  many.push_back({.code = 0x06, .k = 1});
  EXPECT_EQ(
      graph(Filter::decode(many, Accept::Compiler).value()),
      "instruction 1: the loop that begins here may go round 13107202 times, and the kernel stops "
      "one after 8388608");
  const auto code = compile_ebpf(filter(cases[0].listing), {});
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().message, "compile filter: " + cases[0].message);
}

TEST(Loops, NothingIsKnownAtTheirHeads) {
  // A division by X in the loop, X not 0 in front of it.
  const std::string text = graph(
      filter(
          "(000) ldx #4\n(001) ldb [x + 0]\n(002) div x\n(003) jeq #1 jt 6 jf 4\n(004) tax\n(005) "
          "ja 1\n(006) ret #1\n"),
      100);
  EXPECT_NE(text.find("guard x != 0"), std::string::npos) << text;
  // A is read for the first time by the way round.
  EXPECT_EQ(graph(filter("(000) ldx #8\n(001) jset #1 jt 6 jf 2\n(002) ldb [x + 0]\n(003) add "
                         "#2\n(004) tax\n(005) ja 1\n(006) ret #1\n"),
                  100),
            "0:\n  a = 0x0\n  x = 0x8\n  goto 1\n"
            "1:\n  loop of at most 103 trips, followed, hide a, hide x\n  goto 2\n"
            "2:\n  count\n  if a & 0x1 goto 4 else 3\n"
            "3:\n  base = x + 0, guard [..1]\n  a = base8[0]\n  a += 0x2\n  x = a\n  goto 2\n"
            "4:\n  return 0x1\n");
}

TEST(Loops, CountersNeedRoomOnTheStack) {
  const Filter scan = filter(kScan);
  EXPECT_TRUE(compile_ebpf(scan, {.stack_offset_bytes = 440}));
  const auto code = compile_ebpf(scan, {.stack_offset_bytes = 444});
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, Errc::InvalidArgument);
  EXPECT_EQ(code.error().option, "stack_offset_bytes");
  EXPECT_EQ(code.error().message,
            "compile filter: 444 leaves no room for the counter of the "
            "filter's loop in 512 bytes of stack; the most is 440");
  EXPECT_TRUE(compile_ebpf(filter("(000) ret #1\n"), {.stack_offset_bytes = 448}));
}

std::string listing(const Filter& f, const EbpfOptions& options) {
  ebpf::Assembly code = compile_ebpf(f, options).value();
  code.label(options.result_label);
  code.add(ebpf::exit_insn());
  return ebpf::print(code.assemble().value());
}

TEST(Loops, CountersThatTheVerifierFollows) {
  EXPECT_EQ(listing(filter(kScan), {.access = PacketAccess::Buffer, .buffer_size_bytes = 100}),
            "   0: (a5) if r3 < 15 goto pc+41\n"
            "   1: (71) r5 = *(u8 *)(r2 +14)\n"
            "   2: (54) w5 &= 15\n"
            "   3: (64) w5 <<= 2\n"
            "   4: (bf) r6 = r10\n"
            "   5: (1f) r6 -= r10\n"
            "   6: (0c) w5 += w6\n"
            "   7: (b7) r7 = 1\n"
            "   8: (16) if w6 == 0 goto pc+7\n"
            "   9: (7b) *(u64 *)(r10 -72) = r7\n"
            "  10: (bf) r6 = r10\n"
            "  11: (1f) r6 -= r10\n"
            "  12: (15) if r6 == 0 goto pc+1\n"
            "  13: (05) goto pc+4\n"
            "  14: (07) r7 += 1\n"
            "  15: (a5) if r7 < 28 goto pc-7\n"
            "  16: (b7) r7 = 28\n"
            "  17: (7b) *(u64 *)(r10 -72) = r7\n"
            "  18: (79) r6 = *(u64 *)(r10 -72)\n"
            "  19: (17) r6 -= 1\n"
            "  20: (7b) *(u64 *)(r10 -72) = r6\n"
            "  21: (15) if r6 == 0 goto pc+20\n"
            "  22: (b4) w7 = 14\n"
            "  23: (0c) w7 += w5\n"
            "  24: (bf) r6 = r10\n"
            "  25: (1f) r6 -= r10\n"
            "  26: (0c) w7 += w6\n"
            "  27: (25) if r7 > 99 goto pc+14\n"
            "  28: (b4) w6 = 1\n"
            "  29: (0c) w6 += w7\n"
            "  30: (2d) if r6 > r3 goto pc+11\n"
            "  31: (0f) r7 += r2\n"
            "  32: (71) r4 = *(u8 *)(r7 +0)\n"
            "  33: (16) if w4 == 6 goto pc+6\n"
            "  34: (b4) w4 = 0\n"
            "  35: (0c) w4 += w5\n"
            "  36: (04) w4 += 8\n"
            "  37: (b4) w5 = 0\n"
            "  38: (0c) w5 += w4\n"
            "  39: (05) goto pc-22\n"
            "  40: (b4) w4 = 1\n"
            "  41: (05) goto pc+1\n"
            "  42: (b4) w4 = 0\n"
            "  43: (95) exit\n");
}

TEST(Loops, CountersThatItDoesNot) {
  EXPECT_EQ(listing(filter(kScan), {}),
            "   0: (bf) r6 = r2\n"
            "   1: (07) r6 += 15\n"
            "   2: (2d) if r6 > r3 goto pc+41\n"
            "   3: (71) r5 = *(u8 *)(r2 +14)\n"
            "   4: (54) w5 &= 15\n"
            "   5: (64) w5 <<= 2\n"
            "   6: (bf) r6 = r3\n"
            "   7: (1f) r6 -= r2\n"
            "   8: (77) r6 >>= 32\n"
            "   9: (0c) w5 += w6\n"
            "  10: (bf) r7 = r3\n"
            "  11: (1f) r7 -= r2\n"
            "  12: (bc) w7 = w7\n"
            "  13: (74) w7 >>= 2\n"
            "  14: (04) w7 += 1\n"
            "  15: (04) w7 += 2\n"
            "  16: (0c) w7 += w6\n"
            "  17: (63) *(u32 *)(r10 -72) = r7\n"
            "  18: (e5) may_goto pc+25\n"
            "  19: (61) r6 = *(u32 *)(r10 -72)\n"
            "  20: (14) w6 -= 1\n"
            "  21: (63) *(u32 *)(r10 -72) = r6\n"
            "  22: (15) if r6 == 0 goto pc+21\n"
            "  23: (b4) w7 = 14\n"
            "  24: (0c) w7 += w5\n"
            "  25: (bf) r6 = r3\n"
            "  26: (1f) r6 -= r2\n"
            "  27: (77) r6 >>= 32\n"
            "  28: (0c) w7 += w6\n"
            "  29: (25) if r7 > 65534 goto pc+14\n"
            "  30: (0f) r7 += r2\n"
            "  31: (bf) r6 = r7\n"
            "  32: (07) r6 += 1\n"
            "  33: (2d) if r6 > r3 goto pc+10\n"
            "  34: (71) r4 = *(u8 *)(r7 +0)\n"
            "  35: (16) if w4 == 6 goto pc+6\n"
            "  36: (b4) w4 = 0\n"
            "  37: (0c) w4 += w5\n"
            "  38: (04) w4 += 8\n"
            "  39: (b4) w5 = 0\n"
            "  40: (0c) w5 += w4\n"
            "  41: (05) goto pc-24\n"
            "  42: (b4) w4 = 1\n"
            "  43: (05) goto pc+1\n"
            "  44: (b4) w4 = 0\n"
            "  45: (95) exit\n");
}

TEST(KnownValues, AreBoundsAndLowZeroBits) {
  const auto after = [](std::initializer_list<Step> steps) {
    KnownValues known;
    known.fill(KnownValue::constant(0));
    for (const Step& step : steps) {
      known = known_after(step, known);
    }
    return known[variable(Register::A)];
  };
  const auto compute = [](AluOp op, std::uint32_t k) {
    return Alu{.op = op, .operand = {.is_x = false, .k = k}};
  };
  const Step byte = LoadAbsolute{.size = Size::Byte, .offset = 0};
  const Step word = LoadAbsolute{.size = Size::Word, .offset = 0};
  const KnownValue unknown{};
  EXPECT_EQ(after({}), (KnownValue{.max = 0, .zero_bits = 32}));
  EXPECT_EQ(after({byte}), (KnownValue{.max = 255, .zero_bits = 0}));
  EXPECT_EQ(after({word}), unknown);
  EXPECT_EQ(after({byte, compute(AluOp::Add, 2), compute(AluOp::Mul, 4)}),
            (KnownValue{.max = 1028, .zero_bits = 2}));
  EXPECT_EQ(after({byte, compute(AluOp::Lsh, 3)}), (KnownValue{.max = 2040, .zero_bits = 3}));
  EXPECT_EQ(after({word, compute(AluOp::Lsh, 3)}), (KnownValue{.max = 0xffffffff, .zero_bits = 3}));
  EXPECT_EQ(after({word, compute(AluOp::Add, 1)}), unknown);
  EXPECT_EQ(after({word, compute(AluOp::And, 0xf0)}), (KnownValue{.max = 0xf0, .zero_bits = 4}));
  EXPECT_EQ(after({word, compute(AluOp::Rsh, 28)}), (KnownValue{.max = 15, .zero_bits = 0}));
  EXPECT_EQ(after({byte, compute(AluOp::Sub, 1)}), unknown);
  EXPECT_EQ(after({byte, compute(AluOp::Or, 0x100)}), unknown);
  EXPECT_EQ(after({byte, compute(AluOp::Mod, 7)}), (KnownValue{.max = 255, .zero_bits = 0}));
  EXPECT_EQ(after({byte, compute(AluOp::Mul, 8), Negate{}}),
            (KnownValue{.max = 0xffffffff, .zero_bits = 3}));
  EXPECT_EQ(after({LoadHeaderLength{.offset = 14}, Transfer{.dst = Register::A}}),
            (KnownValue{.max = 60, .zero_bits = 2}));
  EXPECT_EQ(after({byte, StoreScratch{.src = Register::A, .slot = 3}, word,
                   LoadScratch{.dst = Register::A, .slot = 3}}),
            (KnownValue{.max = 255, .zero_bits = 0}));
}

}  // namespace
}  // namespace cbpfc
