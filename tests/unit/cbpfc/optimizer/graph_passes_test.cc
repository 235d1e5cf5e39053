// SPDX-License-Identifier: BSD-3-Clause
//
// Each pass over questions and guards alone, its effect read off the graph's dump.

#include "cbpfc/optimizer/graph_passes.h"

#include "cbpfc/optimizer/split.h"
#include "unit/cbpfc/optimizer/pass_rows.h"

namespace cbpfc::optimizer {
namespace {

void thread(Ground& g) {
  thread_edges(g.graph, g.rules);
}
void merge(Ground& g) {
  merge_equal(g.graph);
}
void widen(Ground& g) {
  widen_guards(g.graph);
}
void version(Ground& g) {
  version_guards(g.graph, g.rules);
}
TEST(GraphPasses, Thread) {
  expect_passes({
      {"a question that one way has answered",
       [](Ground& g) {
         const NodeId last = g.is(g.p32(26), 0xb, g.yes, g.no);
         const NodeId again = g.is(g.p16(12), 0x800, last, g.no);
         return g.is(g.p16(12), 0x800, g.is(g.p32(26), 0xa, g.yes, again), again);
       },
       thread,
       "  0: p16[12]  0x800 -> 1  else -> 2\n"
       "  1: p32[26]  0xa -> 4  else -> 2\n"
       "  2: p16[12]  0x800 -> 3  else -> 5\n"
       "  3: p32[26]  0xb -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       "  0: p16[12]  0x800 -> 1  else -> 4\n"
       "  1: p32[26]  0xa -> 3  else -> 2\n"
       "  2: p32[26]  0xb -> 3  else -> 4\n"
       "  3: return 0x1\n"
       "  4: return 0x0\n"},
      {"a case that the next question would lead to the same place",
       [](Ground& g) {
         return g.graph.add(Switch{.value = g.p16(12),
                                   .cases = {{.low = 0x806, .high = 0x806, .target = g.yes},
                                             {.low = 0x86dd, .high = 0x86dd, .target = g.no}},
                                   .otherwise = g.is(g.p16(12), 0x800, g.yes, g.no)});
       },
       thread,
       "  0: p16[12]  0x806 -> 3  0x86dd -> 2  else -> 1\n"
       "  1: p16[12]  0x800 -> 3  else -> 2\n"
       "  2: return 0x0\n"
       "  3: return 0x1\n",
       "  0: p16[12]  0x806 -> 3  else -> 1\n"
       "  1: p16[12]  0x800 -> 3  else -> 2\n"
       "  2: return 0x0\n"
       "  3: return 0x1\n"},
      {"a guard that a wider one covers, and one that a failed one answers",
       [](Ground& g) {
         const NodeId inner = g.has(14, g.is(g.p8(0), 1, g.yes, g.no), g.no);
         return g.has(34, inner, g.has(40, g.yes, g.is(g.p8(1), 1, g.yes, g.no)));
       },
       thread,
       "  0: has p[..34]  yes -> 1  no -> 3\n"
       "  1: has p[..14]  yes -> 2  no -> 5\n"
       "  2: p8[0]  0x1 -> 6  else -> 5\n"
       "  3: has p[..40]  yes -> 6  no -> 4\n"
       "  4: p8[1]  0x1 -> 6  else -> 5\n"
       "  5: return 0x0\n"
       "  6: return 0x1\n",
       "  0: has p[..34]  yes -> 1  no -> 2\n"
       "  1: p8[0]  0x1 -> 4  else -> 3\n"
       "  2: p8[1]  0x1 -> 4  else -> 3\n"
       "  3: return 0x0\n"
       "  4: return 0x1\n"},
      {"cases that cannot be, and an interval that decides",
       [](Ground& g) {
         const NodeId both = g.graph.add(Switch{.value = g.p8(0),
                                                .cases = {{.low = 1, .high = 1, .target = g.yes},
                                                          {.low = 5, .high = 9, .target = g.yes},
                                                          {.low = 20, .high = 30, .target = g.no}},
                                                .otherwise = g.is(g.p8(1), 1, g.yes, g.no)});
         return g.in(g.p8(0), 0, 7, both, g.in(g.p8(0), 4, 10, both, g.no));
       },
       thread,
       "  0: p8[0]  0x0..0x7 -> 2  else -> 1\n"
       "  1: p8[0]  0x4..0xa -> 2  else -> 4\n"
       "  2: p8[0]  0x1 -> 5  0x5..0x9 -> 5  0x14..0x1e -> 4  else -> 3\n"
       "  3: p8[1]  0x1 -> 5  else -> 4\n"
       "  4: return 0x0\n"
       "  5: return 0x1\n",
       "  0: p8[0]  0x0..0x7 -> 2  else -> 1\n"
       "  1: p8[0]  0x4..0xa -> 2  else -> 4\n"
       "  2: p8[0]  0x1 -> 5  0x5..0x9 -> 5  else -> 3\n"
       "  3: p8[1]  0x1 -> 5  else -> 4\n"
       "  4: return 0x0\n"
       "  5: return 0x1\n"},
      {"what only one of two ways knows stays a question",
       [](Ground& g) {
         const NodeId again = g.is(g.p8(0), 1, g.yes, g.no);
         const NodeId between = g.is(g.p8(1), 1, again, g.no);
         return g.is(g.p8(2), 7, g.is(g.p8(0), 1, between, g.no), between);
       },
       thread,
       "  0: p8[2]  0x7 -> 1  else -> 2\n"
       "  1: p8[0]  0x1 -> 2  else -> 5\n"
       "  2: p8[1]  0x1 -> 3  else -> 5\n"
       "  3: p8[0]  0x1 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       nullptr},
  });
}

TEST(GraphPasses, Merge) {
  expect_passes({
      {"equal questions, from the returns up",
       [](Ground& g) {
         const NodeId one = g.has(14, g.is(g.p8(0), 1, g.yes, g.no), g.no);
         const NodeId other = g.has(14, g.is(g.p8(0), 1, g.yes, g.no), g.no);
         return g.is(g.p8(9), 5, g.is(g.p8(8), 6, one, g.no), other);
       },
       merge,
       "  0: p8[9]  0x5 -> 1  else -> 4\n"
       "  1: p8[8]  0x6 -> 2  else -> 7\n"
       "  2: has p[..14]  yes -> 3  no -> 7\n"
       "  3: p8[0]  0x1 -> 6  else -> 7\n"
       "  4: has p[..14]  yes -> 5  no -> 7\n"
       "  5: p8[0]  0x1 -> 6  else -> 7\n"
       "  6: return 0x1\n"
       "  7: return 0x0\n",
       "  0: p8[9]  0x5 -> 1  else -> 2\n"
       "  1: p8[8]  0x6 -> 2  else -> 5\n"
       "  2: has p[..14]  yes -> 3  no -> 5\n"
       "  3: p8[0]  0x1 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n"},
      {"a question whose arms become one is none",
       [](Ground& g) {
         const NodeId one = g.is(g.p8(0), 1, g.yes, g.no);
         const NodeId other = g.is(g.p8(0), 1, g.yes, g.no);
         return g.is(g.p8(9), 5, one, other);
       },
       merge,
       "  0: p8[9]  0x5 -> 2  else -> 1\n"
       "  1: p8[0]  0x1 -> 4  else -> 3\n"
       "  2: p8[0]  0x1 -> 4  else -> 3\n"
       "  3: return 0x0\n"
       "  4: return 0x1\n",
       "  0: p8[0]  0x1 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"neighbouring cases, and cases that lead where the rest does",
       [](Ground& g) {
         return g.graph.add(Switch{.value = g.p8(0),
                                   .cases = {{.low = 1, .high = 1, .target = g.yes},
                                             {.low = 2, .high = 4, .target = g.yes},
                                             {.low = 5, .high = 5, .target = g.no},
                                             {.low = 6, .high = 6, .target = g.yes}},
                                   .otherwise = g.no});
       },
       merge,
       "  0: p8[0]  0x1 -> 2  0x2..0x4 -> 2  0x5 -> 1  0x6 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       "  0: p8[0]  0x1..0x4 -> 2  0x6 -> 2  else -> 1\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n"},
      {"cases that cover all there is",
       [](Ground& g) {
         return g.graph.add(Switch{.value = g.p8(0),
                                   .cases = {{.low = 0, .high = 4, .target = g.yes},
                                             {.low = 5, .high = 0xff, .target = g.no}},
                                   .otherwise = g.yes});
       },
       merge,
       "  0: p8[0]  0x0..0x4 -> 2  0x5..0xff -> 1  else -> 2\n"
       "  1: return 0x0\n"
       "  2: return 0x1\n",
       "  0: p8[0]  0x5..0xff -> 2  else -> 1\n"
       "  1: return 0x1\n"
       "  2: return 0x0\n"},
      {"different values are not equal",
       [](Ground& g) {
         return g.is(g.p8(9), 5, g.is(g.p8(0), 1, g.yes, g.no), g.is(g.p8(1), 1, g.yes, g.no));
       },
       merge,
       "  0: p8[9]  0x5 -> 2  else -> 1\n"
       "  1: p8[1]  0x1 -> 4  else -> 3\n"
       "  2: p8[0]  0x1 -> 4  else -> 3\n"
       "  3: return 0x0\n"
       "  4: return 0x1\n",
       nullptr},
  });
}

TEST(GraphPasses, Widen) {
  expect_passes({
      {"every way that does not fail needs more",
       [](Ground& g) {
         const NodeId port = g.has(38, g.is(g.p16(36), 53, g.yes, g.no), g.no);
         return g.has(14,
                      g.is(g.p16(12), 0x800, g.has(24, g.is(g.p8(23), 17, port, g.no), g.no), g.no),
                      g.no);
       },
       widen,
       "  0: has p[..14]  yes -> 1  no -> 7\n"
       "  1: p16[12]  0x800 -> 2  else -> 7\n"
       "  2: has p[..24]  yes -> 3  no -> 7\n"
       "  3: p8[23]  0x11 -> 4  else -> 7\n"
       "  4: has p[..38]  yes -> 5  no -> 7\n"
       "  5: p16[36]  0x35 -> 6  else -> 7\n"
       "  6: return 0x1\n"
       "  7: return 0x0\n",
       "  0: has p[..38]  yes -> 1  no -> 7\n"
       "  1: p16[12]  0x800 -> 2  else -> 7\n"
       "  2: has p[..38]  yes -> 3  no -> 7\n"
       "  3: p8[23]  0x11 -> 4  else -> 7\n"
       "  4: has p[..38]  yes -> 5  no -> 7\n"
       "  5: p16[36]  0x35 -> 6  else -> 7\n"
       "  6: return 0x1\n"
       "  7: return 0x0\n"},
      {"one way matches with less",
       [](Ground& g) {
         const NodeId more = g.has(24, g.is(g.p8(23), 17, g.yes, g.no), g.no);
         return g.has(14, g.is(g.p16(12), 0x800, more, g.yes), g.no);
       },
       widen,
       "  0: has p[..14]  yes -> 1  no -> 5\n"
       "  1: p16[12]  0x800 -> 2  else -> 4\n"
       "  2: has p[..24]  yes -> 3  no -> 5\n"
       "  3: p8[23]  0x11 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       nullptr},
      {"the least that both ways need",
       [](Ground& g) {
         const NodeId more = g.has(24, g.is(g.p8(23), 17, g.yes, g.no), g.no);
         const NodeId most = g.has(60, g.is(g.p8(59), 17, g.yes, g.no), g.no);
         return g.has(14, g.is(g.p16(12), 0x800, more, most), g.no);
       },
       widen,
       "  0: has p[..14]  yes -> 1  no -> 7\n"
       "  1: p16[12]  0x800 -> 4  else -> 2\n"
       "  2: has p[..60]  yes -> 3  no -> 7\n"
       "  3: p8[59]  0x11 -> 6  else -> 7\n"
       "  4: has p[..24]  yes -> 5  no -> 7\n"
       "  5: p8[23]  0x11 -> 6  else -> 7\n"
       "  6: return 0x1\n"
       "  7: return 0x0\n",
       "  0: has p[..24]  yes -> 1  no -> 7\n"
       "  1: p16[12]  0x800 -> 4  else -> 2\n"
       "  2: has p[..60]  yes -> 3  no -> 7\n"
       "  3: p8[59]  0x11 -> 6  else -> 7\n"
       "  4: has p[..24]  yes -> 5  no -> 7\n"
       "  5: p8[23]  0x11 -> 6  else -> 7\n"
       "  6: return 0x1\n"
       "  7: return 0x0\n"},
      {"failures that lead elsewhere",
       [](Ground& g) {
         return g.has(
             14, g.is(g.p16(12), 0x800, g.has(24, g.is(g.p8(23), 17, g.yes, g.no), g.yes), g.no),
             g.no);
       },
       widen,
       "  0: has p[..14]  yes -> 1  no -> 5\n"
       "  1: p16[12]  0x800 -> 2  else -> 5\n"
       "  2: has p[..24]  yes -> 3  no -> 4\n"
       "  3: p8[23]  0x11 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       nullptr},
      {"at an index, from the lowest byte on",
       [](Ground& g) {
         const ValueId x = g.op(AluOp::Lsh, g.op(AluOp::And, g.p8(14), 0xf), 2);
         const NodeId second =
             g.has(x, 14, 16, g.is(g.values().load(Size::Half, x, 14), 80, g.yes, g.no), g.no);
         return g.has(x, 16, 18, g.is(g.values().load(Size::Half, x, 16), 80, second, g.no), g.no);
       },
       widen,
       "  0: has p[((p8[14] & 0xf) << 0x2) + 16..18]  yes -> 1  no -> 5\n"
       "  1: p16[((p8[14] & 0xf) << 0x2) + 16]  0x50 -> 2  else -> 5\n"
       "  2: has p[((p8[14] & 0xf) << 0x2) + 14..16]  yes -> 3  no -> 5\n"
       "  3: p16[((p8[14] & 0xf) << 0x2) + 14]  0x50 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       "  0: has p[((p8[14] & 0xf) << 0x2) + 14..18]  yes -> 1  no -> 5\n"
       "  1: p16[((p8[14] & 0xf) << 0x2) + 16]  0x50 -> 2  else -> 5\n"
       "  2: has p[((p8[14] & 0xf) << 0x2) + 14..16]  yes -> 3  no -> 5\n"
       "  3: p16[((p8[14] & 0xf) << 0x2) + 14]  0x50 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n"},
      {"farther apart than an instruction reaches",
       [](Ground& g) {
         const NodeId second = g.has(g.p16(0), 40000, 40001, g.yes, g.no);
         return g.has(g.p16(0), 0, 2, second, g.no);
       },
       widen,
       "  0: has p[p16[0] + 0..2]  yes -> 1  no -> 3\n"
       "  1: has p[p16[0] + 40000..40001]  yes -> 2  no -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       nullptr},
  });
}

/// Source port, then destination port, each behind its guard.
NodeId either_port(Ground& g) {
  const ValueId x = g.op(AluOp::Lsh, g.op(AluOp::And, g.p8(14), 0xf), 2);
  const NodeId destination =
      g.has(x, 16, 18, g.is(g.values().load(Size::Half, x, 16), 80, g.yes, g.no), g.no);
  return g.has(x, 14, 16, g.is(g.values().load(Size::Half, x, 14), 80, g.yes, destination), g.no);
}

TEST(GraphPasses, Version) {
  expect_passes({
      {"source or destination port", either_port, version,
       "  0: has p[((p8[14] & 0xf) << 0x2) + 14..16]  yes -> 1  no -> 5\n"
       "  1: p16[((p8[14] & 0xf) << 0x2) + 14]  0x50 -> 4  else -> 2\n"
       "  2: has p[((p8[14] & 0xf) << 0x2) + 16..18]  yes -> 3  no -> 5\n"
       "  3: p16[((p8[14] & 0xf) << 0x2) + 16]  0x50 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       "  0: has p[((p8[14] & 0xf) << 0x2) + 14..18]  yes -> 1  no -> 4\n"
       "  1: p16[((p8[14] & 0xf) << 0x2) + 14]  0x50 -> 6  else -> 2\n"
       "  2: has p[((p8[14] & 0xf) << 0x2) + 16..18]  yes -> 3  no -> 7\n"
       "  3: p16[((p8[14] & 0xf) << 0x2) + 16]  0x50 -> 6  else -> 7\n"
       "  4: has p[((p8[14] & 0xf) << 0x2) + 14..16]  yes -> 5  no -> 7\n"
       "  5: p16[((p8[14] & 0xf) << 0x2) + 14]  0x50 -> 6  else -> 7\n"
       "  6: return 0x1\n"
       "  7: return 0x0\n"},
      {"a copy that would be too long",
       [](Ground& g) {
         NodeId chain = g.has(20, g.is(g.p8(19), 1, g.yes, g.no), g.no);
         for (std::uint32_t offset = 12; offset-- > 7;) {
           chain = g.is(g.p8(offset), 1, g.yes, chain);
         }
         return g.has(14, chain, g.no);
       },
       version,
       "  0: has p[..14]  yes -> 1  no -> 9\n"
       "  1: p8[7]  0x1 -> 8  else -> 2\n"
       "  2: p8[8]  0x1 -> 8  else -> 3\n"
       "  3: p8[9]  0x1 -> 8  else -> 4\n"
       "  4: p8[10]  0x1 -> 8  else -> 5\n"
       "  5: p8[11]  0x1 -> 8  else -> 6\n"
       "  6: has p[..20]  yes -> 7  no -> 9\n"
       "  7: p8[19]  0x1 -> 8  else -> 9\n"
       "  8: return 0x1\n"
       "  9: return 0x0\n",
       nullptr},
      {"a copy that shares what is behind",
       [](Ground& g) {
         const NodeId arp = g.has(32, g.is(g.p32(28), 0xa, g.yes, g.no), g.no);
         const NodeId ip = g.is(g.p32(26), 0xa, g.yes, g.no);
         return g.has(30, g.is(g.p16(12), 0x806, arp, g.is(g.p16(12), 0x800, ip, g.no)), g.no);
       },
       version,
       "  0: has p[..30]  yes -> 1  no -> 7\n"
       "  1: p16[12]  0x806 -> 4  else -> 2\n"
       "  2: p16[12]  0x800 -> 3  else -> 7\n"
       "  3: p32[26]  0xa -> 6  else -> 7\n"
       "  4: has p[..32]  yes -> 5  no -> 7\n"
       "  5: p32[28]  0xa -> 6  else -> 7\n"
       "  6: return 0x1\n"
       "  7: return 0x0\n",
       "  0: has p[..32]  yes -> 1  no -> 4\n"
       "  1: p16[12]  0x806 -> 2  else -> 6\n"
       "  2: has p[..32]  yes -> 3  no -> 9\n"
       "  3: p32[28]  0xa -> 8  else -> 9\n"
       "  4: has p[..30]  yes -> 5  no -> 9\n"
       "  5: p16[12]  0x806 -> 9  else -> 6\n"
       "  6: p16[12]  0x800 -> 7  else -> 9\n"
       "  7: p32[26]  0xa -> 8  else -> 9\n"
       "  8: return 0x1\n"
       "  9: return 0x0\n"},
      {"a guard that is much wider",
       [](Ground& g) {
         return g.has(14, g.is(g.p8(12), 1, g.has(31, g.is(g.p8(30), 1, g.yes, g.no), g.no), g.no),
                      g.no);
       },
       version,
       "  0: has p[..14]  yes -> 1  no -> 5\n"
       "  1: p8[12]  0x1 -> 2  else -> 5\n"
       "  2: has p[..31]  yes -> 3  no -> 5\n"
       "  3: p8[30]  0x1 -> 4  else -> 5\n"
       "  4: return 0x1\n"
       "  5: return 0x0\n",
       nullptr},
      {"no wider guard behind it",
       [](Ground& g) { return g.has(14, g.has(10, g.yes, g.no), g.no); }, version,
       "  0: has p[..14]  yes -> 1  no -> 3\n"
       "  1: has p[..10]  yes -> 2  no -> 3\n"
       "  2: return 0x1\n"
       "  3: return 0x0\n",
       nullptr},
  });
}

TEST(GraphPasses, SplitShortPackets) {
  Ground g;
  NodeId chain = g.no;
  for (const std::int64_t end : {54, 38, 14}) {
    const auto offset = static_cast<std::uint32_t>(end - 4);
    chain = g.has(end, g.is(g.p32(offset), 0xa, g.yes, chain), g.no);
  }
  EXPECT_EQ(g.dump_from(chain),
            "  0: has p[..14]  yes -> 1  no -> 7\n"
            "  1: p32[10]  0xa -> 6  else -> 2\n"
            "  2: has p[..38]  yes -> 3  no -> 7\n"
            "  3: p32[34]  0xa -> 6  else -> 4\n"
            "  4: has p[..54]  yes -> 5  no -> 7\n"
            "  5: p32[50]  0xa -> 6  else -> 7\n"
            "  6: return 0x1\n"
            "  7: return 0x0\n");
  auto split = split_short_packets(g.graph, g.rules);
  ASSERT_TRUE(split);
  EXPECT_EQ(check_graph(*split), "");
  EXPECT_EQ(longest_way_of_long_packets(*split), 5U);
  thread_edges(*split, g.rules);
  merge_equal(*split);
  EXPECT_EQ(longest_way_of_long_packets(*split), 3U);
  EXPECT_EQ(dump(*split),
            "  0: has p[..54]  yes -> 1  no -> 4\n"
            "  1: p32[10]  0xa -> 8  else -> 2\n"
            "  2: p32[34]  0xa -> 8  else -> 3\n"
            "  3: p32[50]  0xa -> 8  else -> 9\n"
            "  4: has p[..14]  yes -> 5  no -> 9\n"
            "  5: p32[10]  0xa -> 8  else -> 6\n"
            "  6: has p[..38]  yes -> 7  no -> 9\n"
            "  7: p32[34]  0xa -> 8  else -> 9\n"
            "  8: return 0x1\n"
            "  9: return 0x0\n");

  g.graph.entry = std::get<Fits>(g.graph.nodes[chain]).if_inside;
  EXPECT_FALSE(split_short_packets(g.graph, g.rules)) << "two guards are too few";
}

}  // namespace
}  // namespace cbpfc::optimizer
