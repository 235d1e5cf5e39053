// SPDX-License-Identifier: BSD-3-Clause
//
// Each pass over comparisons (lists, networks, neighbouring fields) alone, its effect read off the dump.

#include "cbpfc/optimizer/graph_passes.h"
#include "unit/cbpfc/optimizer/pass_rows.h"

namespace cbpfc::optimizer {
namespace {

void gather(Ground& g) {
  gather_switches(g.graph);
}
void masks(Ground& g) {
  choose_masks(g.graph);
}
void wide(Ground& g) {
  widen_compares(g.graph);
}

TEST(GraphPasses, Gather) {
  expect_passes({
      {"hosts, source and destination in turn",
       [](Ground& g) {
         NodeId next = g.no;
         for (const std::uint32_t host : {0xcU, 0xbU, 0xaU}) {
           next = g.is(g.p32(26), host, g.yes, g.is(g.p32(30), host, g.yes, next));
         }
         return next;
       },
       gather,
       "  0: p32[26]  0xa -> 7  else -> 1\n"
       "  1: p32[30]  0xa -> 7  else -> 2\n"
       "  2: p32[26]  0xb -> 7  else -> 3\n"
       "  3: p32[30]  0xb -> 7  else -> 4\n"
       "  4: p32[26]  0xc -> 7  else -> 5\n"
       "  5: p32[30]  0xc -> 7  else -> 6\n"
       "  6: return 0x0\n"
       "  7: return 0x1\n",
       "  0: p32[26]  0xa -> 3  0xb -> 3  0xc -> 3  else -> 1\n"
       "  1: p32[30]  0xa -> 3  0xb -> 3  0xc -> 3  else -> 2\n"
       "  2: return 0x0\n"
       "  3: return 0x1\n"},
      {"alternatives of two values become a tree",
       [](Ground& g) {
         NodeId next = g.no;
         for (const auto& [host, port] :
              {std::pair{0xcU, 53U}, std::pair{0xaU, 80U}, std::pair{0xaU, 53U}}) {
           const NodeId second = g.is(g.p16(36), port, g.yes, next);
           next = g.is(g.p32(26), host, second, next);
         }
         return next;
       },
       gather,
       "  0: p32[26]  0xa -> 1  else -> 2\n"
       "  1: p16[36]  0x35 -> 6  else -> 2\n"
       "  2: p32[26]  0xa -> 3  else -> 4\n"
       "  3: p16[36]  0x50 -> 6  else -> 4\n"
       "  4: p32[26]  0xc -> 5  else -> 7\n"
       "  5: p16[36]  0x35 -> 6  else -> 7\n"
       "  6: return 0x1\n"
       "  7: return 0x0\n",
       "  0: p32[26]  0xa -> 2  0xc -> 1  else -> 3\n"
       "  1: p16[36]  0x35 -> 4  else -> 3\n"
       "  2: p16[36]  0x35 -> 4  0x50 -> 4  else -> 3\n"
       "  3: return 0x0\n"
       "  4: return 0x1\n"},
      {"followers lead to different places; the first that holds counts",
       [](Ground& g) {
         const NodeId other = g.is(g.p8(0), 7, g.yes, g.no);
         return g.is(g.p16(12), 0x800, g.yes,
                     g.in(g.p16(12), 0x700, 0x900, other, g.is(g.p16(12), 0x86dd, other, g.no)));
       },
       gather,
       "  0: p16[12]  0x800 -> 5  else -> 1\n"
       "  1: p16[12]  0x700..0x900 -> 3  else -> 2\n"
       "  2: p16[12]  0x86dd -> 3  else -> 4\n"
       "  3: p8[0]  0x7 -> 5  else -> 4\n"
       "  4: return 0x0\n"
       "  5: return 0x1\n",
       "  0: p16[12]  0x700..0x7ff -> 1  0x800 -> 3  0x801..0x900 -> 1  0x86dd -> 1  else -> 2\n"
       "  1: p8[0]  0x7 -> 3  else -> 2\n"
       "  2: return 0x0\n"
       "  3: return 0x1\n"},
      {"alternatives that lead to different places stay",
       [](Ground& g) {
         const NodeId other = g.is(g.p8(0), 7, g.yes, g.no);
         return g.is(g.p32(26), 0xa, g.yes,
                     g.is(g.p32(30), 0xa, other, g.is(g.p32(26), 0xb, g.yes, g.no)));
       },
       gather,
       "  0: p32[26]  0xa -> 5  else -> 1\n"
       "  1: p32[30]  0xa -> 3  else -> 2\n"
       "  2: p32[26]  0xb -> 5  else -> 4\n"
       "  3: p8[0]  0x7 -> 5  else -> 4\n"
       "  4: return 0x0\n"
       "  5: return 0x1\n",
       nullptr},
      {"a guard in between",
       [](Ground& g) {
         return g.is(g.p32(26), 0xa, g.yes, g.has(60, g.is(g.p32(26), 0xb, g.yes, g.no), g.no));
       },
       gather,
       "  0: p32[26]  0xa -> 4  else -> 1\n"
       "  1: has p[..60]  yes -> 2  no -> 3\n"
       "  2: p32[26]  0xb -> 4  else -> 3\n"
       "  3: return 0x0\n"
       "  4: return 0x1\n",
       nullptr},
      {"a follower that others lead to as well",
       [](Ground& g) {
         const NodeId shared = g.is(g.p16(12), 0x86dd, g.yes, g.no);
         return g.is(g.p8(0), 1, shared, g.is(g.p16(12), 0x800, g.yes, shared));
       },
       gather,
       "  0: p8[0]  0x1 -> 2  else -> 1\n"
       "  1: p16[12]  0x800 -> 4  else -> 2\n"
       "  2: p16[12]  0x86dd -> 4  else -> 3\n"
       "  3: return 0x0\n"
       "  4: return 0x1\n",
       nullptr},
  });
}

TEST(GraphPasses, Masks) {
  expect_passes({
      {"networks of one size",
       [](Ground& g) {
         return g.graph.add(
             Switch{.value = g.p32(30),
                    .cases = {{.low = 0xc6122000, .high = 0xc61220ff, .target = g.yes},
                              {.low = 0xc6124000, .high = 0xc61240ff, .target = g.no}},
                    .otherwise = g.no});
       },
       masks,
       "  0: p32[30]  0xc6122000..0xc61220ff -> 2  0xc6124000..0xc61240ff -> 1  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       "  0: (p32[30] & 0xffffff00)  0xc6122000 -> 2  0xc6124000 -> 1  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"leading byte",
       [](Ground& g) { return g.in(g.p32(30), 0x0a000000, 0x0affffff, g.yes, g.no); }, masks,
       "  0: p32[30]  0xa000000..0xaffffff -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       "  0: p8[30]  0xa -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"leading half",
       [](Ground& g) { return g.in(g.p32(30), 0xc0a80000, 0xc0a8ffff, g.yes, g.no); }, masks,
       "  0: p32[30]  0xc0a80000..0xc0a8ffff -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       "  0: p16[30]  0xc0a8 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"one comparison does", [](Ground& g) { return g.in(g.p16(36), 0, 1023, g.yes, g.no); },
       masks,
       "  0: p16[36]  0x0..0x3ff -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       nullptr},
      {"no network: not where its size says",
       [](Ground& g) { return g.in(g.p16(36), 0x101, 0x200, g.yes, g.no); }, masks,
       "  0: p16[36]  0x101..0x200 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       nullptr},
      {"networks of two sizes",
       [](Ground& g) {
         return g.graph.add(
             Switch{.value = g.p32(30),
                    .cases = {{.low = 0xc6122000, .high = 0xc61220ff, .target = g.yes},
                              {.low = 0xc6124000, .high = 0xc6124fff, .target = g.yes}},
                    .otherwise = g.no});
       },
       masks,
       "  0: p32[30]  0xc6122000..0xc61220ff -> 2  0xc6124000..0xc6124fff -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       "  0: (p32[30] & 0xfffff000)  0xc6124000 -> 3  else -> 1\n"
       "  1: (p32[30] & 0xffffff00)  0xc6122000 -> 3  else -> 2\n"
       "  2: return 0x0\n"
       "  3: return 0x1\n"},
      {"networks of three sizes, of which two are leading bytes, and other places to go",
       [](Ground& g) {
         return g.graph.add(
             Switch{.value = g.p32(30),
                    .cases = {{.low = 0x0a000000, .high = 0x0affffff, .target = g.no},
                              {.low = 0xac100000, .high = 0xac1fffff, .target = g.yes},
                              {.low = 0xc0a80000, .high = 0xc0a8ffff, .target = g.yes}},
                    .otherwise = g.is(g.p8(1), 1, g.yes, g.no)});
       },
       masks,
       "  0: p32[30]  0xa000000..0xaffffff -> 3  0xac100000..0xac1fffff -> 2  "
       "0xc0a80000..0xc0a8ffff -> 2  else -> 1\n"
       "  1: p8[1]  0x1 -> 2  else -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       "  0: p8[30]  0xa -> 5  else -> 1\n"
       "  1: (p16[30] & 0xfff0)  0xac10 -> 4  else -> 2\n"
       "  2: p16[30]  0xc0a8 -> 4  else -> 3\n"
       "  3: p8[1]  0x1 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n"},
      {"networks of four sizes",
       [](Ground& g) {
         return g.graph.add(Switch{.value = g.p32(30),
                                   .cases = {{.low = 0x100, .high = 0x1ff, .target = g.yes},
                                             {.low = 0x400, .high = 0x5ff, .target = g.yes},
                                             {.low = 0x800, .high = 0xbff, .target = g.yes},
                                             {.low = 0x1000, .high = 0x17ff, .target = g.yes}},
                                   .otherwise = g.no});
       },
       masks,
       "  0: p32[30]  0x100..0x1ff -> 2  0x400..0x5ff -> 2  0x800..0xbff -> 2  "
       "0x1000..0x17ff -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       nullptr},
      {"neighbours among networks",
       [](Ground& g) {
         Switch node{.value = g.p32(30), .cases = {}, .otherwise = g.no};
         for (const std::uint32_t net : {0x1U, 0x5U, 0x8U, 0xbU}) {
           const std::uint32_t last = net == 5 ? 6 : net;
           node.cases.push_back(
               {.low = net << 8, .high = last << 8 | 0xff, .target = net == 8 ? g.no : g.yes});
         }
         return g.graph.add(node);
       },
       masks,
       "  0: p32[30]  0x100..0x1ff -> 2  0x500..0x6ff -> 2  0x800..0x8ff -> 1  "
       "0xb00..0xbff -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       "  0: (p32[30] & 0xffffff00)  0x100 -> 2  0x500 -> 2  0x600 -> 2  0x800 -> 1  0xb00 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"short intervals among numbers",
       [](Ground& g) {
         Switch node{.value = g.p16(36), .cases = {}, .otherwise = g.no};
         for (const std::uint32_t number : {10U, 20U, 30U, 40U}) {
           const std::uint32_t high = number == 20 ? 21 : number;
           node.cases.push_back({.low = number, .high = high, .target = g.yes});
         }
         return g.graph.add(node);
       },
       masks,
       "  0: p16[36]  0xa -> 2  0x14..0x15 -> 2  0x1e -> 2  0x28 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       "  0: p16[36]  0xa -> 2  0x14 -> 2  0x15 -> 2  0x1e -> 2  0x28 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"too many of them",
       [](Ground& g) {
         Switch node{.value = g.p16(36), .cases = {}, .otherwise = g.no};
         for (const std::uint32_t number : {10U, 20U, 30U}) {
           node.cases.push_back(
               {.low = number, .high = number + (number > 10 ? 2 : 0), .target = g.yes});
         }
         return g.graph.add(node);
       },
       masks,
       "  0: p16[36]  0xa -> 2  0x14..0x16 -> 2  0x1e..0x20 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       nullptr},
  });
}

TEST(GraphPasses, Wide) {
  expect_passes({
      {"two words, then two more",
       [](Ground& g) {
         const NodeId last = g.is(g.p32(34), 1, g.yes, g.no);
         const NodeId third = g.is(g.p32(30), 0, last, g.no);
         return g.is(g.p32(22), 0x20010db8, g.is(g.p32(26), 0, third, g.no), g.no);
       },
       wide,
       "  0: p32[22]  0x20010db8 -> 1  else -> 5\n"
       "  1: p32[26]  0x0 -> 2  else -> 5\n"
       "  2: p32[30]  0x0 -> 3  else -> 5\n"
       "  3: p32[34]  0x1 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       "  0: p64[22] == 0x20010db800000000  yes -> 1  no -> 3\n"
       "  1: p64[30] == 0x1  yes -> 2  no -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n"},
      {"protocol and fragment",
       [](Ground& g) {
         const NodeId bits = g.graph.add(
             AnyBit{.value = g.p16(20), .mask = 0x1fff, .if_set = g.no, .if_clear = g.yes});
         return g.is(g.p8(23), 6, bits, g.no);
       },
       wide,
       "  0: p8[23]  0x6 -> 1  else -> 3\n"
       "  1: p16[20] & 0x1fff  yes -> 3  no -> 2\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       "  0: (p32[20] & 0x1fff00ff)  0x6 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"a label and the bit behind it that must be set",
       [](Ground& g) {
         const NodeId bit =
             g.graph.add(AnyBit{.value = g.p8(16), .mask = 1, .if_set = g.yes, .if_clear = g.no});
         return g.is(g.op(AluOp::And, g.p32(14), g.k(0xfffff000)), 0x64000, bit, g.no);
       },
       wide,
       "  0: (p32[14] & 0xfffff000)  0x64000 -> 1  else -> 3\n"
       "  1: p8[16] & 0x1  yes -> 2  no -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       "  0: (p32[14] & 0xfffff100)  0x64100 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"one of two bits that must be set",
       [](Ground& g) {
         const NodeId bits =
             g.graph.add(AnyBit{.value = g.p8(16), .mask = 3, .if_set = g.yes, .if_clear = g.no});
         return g.is(g.op(AluOp::And, g.p32(14), g.k(0xfffff000)), 0x64000, bits, g.no);
       },
       wide,
       "  0: (p32[14] & 0xfffff000)  0x64000 -> 1  else -> 3\n"
       "  1: p8[16] & 0x3  yes -> 2  no -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       nullptr},
      {"two bytes",
       [](Ground& g) { return g.is(g.p8(1), 6, g.is(g.p8(0), 0x45, g.yes, g.no), g.no); }, wide,
       "  0: p8[1]  0x6 -> 1  else -> 3\n"
       "  1: p8[0]  0x45 -> 2  else -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       "  0: p16[0]  0x4506 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"a byte of two, asked for twice",
       [](Ground& g) {
         return g.is(g.op(AluOp::And, g.p8(14), 0xf), 5,
                     g.is(g.op(AluOp::And, g.p8(14), 0x70), 0x40, g.yes, g.no), g.no);
       },
       wide,
       "  0: (p8[14] & 0xf)  0x5 -> 1  else -> 3\n"
       "  1: (p8[14] & 0x70)  0x40 -> 2  else -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       "  0: (p32[11] & 0x7f)  0x45 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"a field that is used behind",
       [](Ground& g) {
         const NodeId behind = g.is(g.p8(23), 17, g.yes, g.in(g.p8(23), 1, 2, g.yes, g.no));
         const NodeId bits = g.graph.add(
             AnyBit{.value = g.p16(20), .mask = 0x1fff, .if_set = g.no, .if_clear = behind});
         return g.is(g.op(AluOp::And, g.p8(23), 0xf0), 0x10, bits, g.no);
       },
       wide,
       "  0: (p8[23] & 0xf0)  0x10 -> 1  else -> 5\n"
       "  1: p16[20] & 0x1fff  yes -> 5  no -> 2\n"
       "  2: p8[23]  0x11 -> 4  else -> 3\n"
       "  3: p8[23]  0x1..0x2 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       nullptr},
      {"a field that is used before",
       [](Ground& g) {
         const NodeId bits = g.graph.add(
             AnyBit{.value = g.p16(20), .mask = 0x1fff, .if_set = g.no, .if_clear = g.yes});
         return g.in(g.p8(23), 1, 9, g.is(g.p8(23), 6, bits, g.no), g.no);
       },
       wide,
       "  0: p8[23]  0x1..0x9 -> 1  else -> 4\n"
       "  1: p8[23]  0x6 -> 2  else -> 4\n"
       "  2: p16[20] & 0x1fff  yes -> 4  no -> 3\n"
       "  3: return 0x1\n"
       "  4: return 0x0\n",
       nullptr},
      {"a field that is used on another way only",
       [](Ground& g) {
         const NodeId bits = g.graph.add(
             AnyBit{.value = g.p16(20), .mask = 0x1fff, .if_set = g.no, .if_clear = g.yes});
         return g.is(g.p8(0), 1, g.is(g.p8(23), 6, bits, g.no), g.is(g.p8(23), 9, g.yes, g.no));
       },
       wide,
       "  0: p8[0]  0x1 -> 1  else -> 3\n"
       "  1: p8[23]  0x6 -> 2  else -> 4\n"
       "  2: p16[20] & 0x1fff  yes -> 4  no -> 5\n"
       "  3: p8[23]  0x9 -> 5  else -> 4\n"
       "  4: return 0x0\n"
       "  5: return 0x1\n",
       "  0: p8[0]  0x1 -> 2  else -> 1\n"
       "  1: p8[23]  0x9 -> 4  else -> 3\n"
       "  2: (p32[20] & 0x1fff00ff)  0x6 -> 4  else -> 3\n"
       "  3: return 0x0\n"
       "  4: return 0x1\n"},
      {"tests that contradict each other",
       [](Ground& g) {
         return g.is(g.op(AluOp::And, g.p8(14), 0xf), 5, g.is(g.p8(14), 0x46, g.yes, g.no), g.no);
       },
       wide,
       "  0: (p8[14] & 0xf)  0x5 -> 1  else -> 3\n"
       "  1: p8[14]  0x46 -> 2  else -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       nullptr},
      {"tests that fail to different places",
       [](Ground& g) {
         return g.is(g.p32(22), 1, g.is(g.p32(26), 0, g.yes, g.no), g.is(g.p8(0), 1, g.yes, g.no));
       },
       wide,
       "  0: p32[22]  0x1 -> 2  else -> 1\n"
       "  1: p8[0]  0x1 -> 4  else -> 3\n"
       "  2: p32[26]  0x0 -> 4  else -> 3\n"
       "  3: return 0x0\n"
       "  4: return 0x1\n",
       nullptr},
      {"before the first byte lies nothing",
       [](Ground& g) { return g.is(g.p8(0), 1, g.is(g.p8(2), 6, g.yes, g.no), g.no); }, wide,
       "  0: p8[0]  0x1 -> 1  else -> 3\n"
       "  1: p8[2]  0x6 -> 2  else -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       nullptr},
      {"at an index: only from its first byte on",
       [](Ground& g) {
         const ValueId x = g.p8(0);
         const auto at = [&](Size size, std::uint32_t offset) {
           return g.values().load(size, x, offset);
         };
         const NodeId both =
             g.is(at(Size::Half, 14), 80, g.is(at(Size::Half, 16), 53, g.yes, g.no), g.no);
         return g.is(at(Size::Byte, 32), 80, g.is(at(Size::Byte, 34), 53, both, g.no), g.no);
       },
       wide,
       "  0: p8[p8[0] + 32]  0x50 -> 1  else -> 5\n"
       "  1: p8[p8[0] + 34]  0x35 -> 2  else -> 5\n"
       "  2: p16[p8[0] + 14]  0x50 -> 3  else -> 5\n"
       "  3: p16[p8[0] + 16]  0x35 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       "  0: p8[p8[0] + 32]  0x50 -> 1  else -> 4\n"
       "  1: p8[p8[0] + 34]  0x35 -> 2  else -> 4\n"
       "  2: p32[p8[0] + 14]  0x500035 -> 3  else -> 4\n"
       "  3: return 0x1\n"
       "  4: return 0x0\n"},
  });
}

}  // namespace
}  // namespace cbpfc::optimizer
