// SPDX-License-Identifier: BSD-3-Clause
//
// Each pass on small programs, its effect read off the graph's dump.

#include "cbpfc/passes.h"

#include <cbpfc/text.h>
#include <gtest/gtest.h>

namespace cbpfc {
namespace {

struct Case {
  const char* what;
  const char* listing;  ///< tcpdump -d form
  const char* expected;
};

Cfg graph(const char* listing) {
  const auto raw = parse_program(listing);
  EXPECT_TRUE(raw) << raw.error().message;
  const auto filter = Filter::decode(*raw);
  EXPECT_TRUE(filter) << filter.error().message;
  auto cfg = build_cfg(*filter, 0xffff);
  EXPECT_TRUE(cfg) << cfg.error().message;
  return *std::move(cfg);
}

void expect_dumps(std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    Cfg cfg = graph(c.listing);
    run_passes(cfg, 0xffff);
    EXPECT_EQ(check_cfg(cfg), "") << c.what;
    EXPECT_EQ(dump(cfg), c.expected) << c.what;
  }
}

TEST(Passes, JumpsAreStraightened) {
  expect_dumps({
      {"a branch with equal arms is none", "(000) ldb [0]\n(001) jeq #1 jt 2 jf 2\n(002) ret\n",
       "0:\n  guard p[..1]\n  a = p8[0]\n  return a\n"},
      {"jumps to jumps are threaded, code before a certain 0 is dropped, returns are shared",
       "(000) ldb [0]\n(001) jeq #1 jt 2 jf 3\n(002) ja 5\n(003) ldb [9]\n(004) ret #0\n(005) ret "
       "#1\n",
       "0:\n  guard p[..1]\n  a = p8[0]\n  if a == 0x1 goto 3 else 2\n2:\n  return 0x0\n3:\n  "
       "return 0x1\n"},
      {"a comparison with one outcome is none",
       "(000) ldb [0]\n(001) jge #0 jt 2 jf 3\n(002) ret\n(003) ret #7\n",
       "0:\n  guard p[..1]\n  a = p8[0]\n  return a\n"},
      {"a load beyond every packet is a return", "(000) ldb [0xffff]\n(001) ret #1\n",
       "0:\n  return 0x0\n"},
  });
}

TEST(Passes, RegistersStartAsZeroWhereRead) {
  expect_dumps({
      {"A", "(000) ret\n", "0:\n  a = 0x0\n  return a\n"},
      {"X on one path only",
       "(000) ldb [0]\n(001) jeq #1 jt 2 jf 3\n(002) ldx #5\n(003) txa\n(004) ret\n",
       "0:\n  x = 0x0\n  guard p[..1]\n  a = p8[0]\n  if a == 0x1 goto 1 else 2\n"
       "1:\n  x = 0x5\n  goto 2\n2:\n  a = x\n  return a\n"},
      {"written first: not needed", "(000) ldx #5\n(001) txa\n(002) ret\n",
       "0:\n  x = 0x5\n  a = x\n  return a\n"},
  });
}

TEST(Passes, DivisorsAreGuardedOnceEach) {
  expect_dumps({
      {"twice by the same X, then by another",
       "(000) ld #pktlen\n(001) tax\n(002) div x\n(003) mod x\n(004) tax\n(005) div "
       "x\n(006) ret\n",
       "0:\n  a = length\n  x = a\n  guard x != 0\n  a /= x\n  a %= x\n  x = a\n  guard x != "
       "0\n  a /= x\n  return a\n"},
      {"by a constant in X", "(000) ld #pktlen\n(001) ldx #3\n(002) div x\n(003) ret\n",
       "0:\n  a = length\n  x = 0x3\n  a /= x\n  return a\n"},
  });
}

TEST(Passes, AbsoluteGuardsCoverWhatEveryMatchNeeds) {
  expect_dumps({
      {"the other arm cannot match: one guard for both blocks",
       "(000) ldh [12]\n(001) jeq #0x800 jt 2 jf 4\n(002) ldb [23]\n(003) ret\n(004) ret #0\n",
       "0:\n  guard p[..24]\n  a = p16[12]\n  if a == 0x800 goto 1 else 2\n1:\n  a = p8[23]\n  "
       "return a\n2:\n  return 0x0\n"},
      {"the other arm can match: each its own",
       "(000) ldh [12]\n(001) jeq #0x800 jt 2 jf 4\n(002) ldb [23]\n(003) ret\n(004) ret #1\n",
       "0:\n  guard p[..14]\n  a = p16[12]\n  if a == 0x800 goto 1 else 2\n1:\n  guard p[..24]\n  "
       "a = p8[23]\n  return a\n"
       "2:\n  return 0x1\n"},
      {"the least that both arms need",
       "(000) ldb [0]\n(001) jeq #1 jt 2 jf 4\n(002) ldb [30]\n(003) ret\n(004) ldb [20]\n(005) "
       "ret\n",
       "0:\n  guard p[..21]\n  a = p8[0]\n  if a == 0x1 goto 1 else 2\n1:\n  guard p[..31]\n  a = "
       "p8[30]\n  return a\n"
       "2:\n  a = p8[20]\n  return a\n"},
  });
}

TEST(Passes, IndirectLoadsKeepOneBase) {
  expect_dumps({
      {"small X: base is X, two fields, one guard",
       "(000) ldxb 4*([14]&0xf)\n(001) ldh [x + 14]\n(002) jeq #0x50 jt 3 jf 5\n(003) ldh [x + "
       "16]\n(004) ret\n(005) ret #0\n",
       "0:\n  guard p[..15]\n  x = 4 * (p8[14] & 0xf)\n  base = x + 0, guard [..18], x small\n  a "
       "= base16[14]\n"
       "  if a == 0x50 goto 1 else 2\n1:\n  a = base16[16]\n  return a\n2:\n  return 0x0\n"},
      {"small X, either port: the second field extends the guard, base stays",
       "(000) ldxb 4*([14]&0xf)\n(001) ldh [x + 14]\n(002) jeq #0x50 jt 5 jf 3\n(003) ldh [x + "
       "16]\n(004) ret\n(005) ret #1\n",
       "0:\n  guard p[..15]\n  x = 4 * (p8[14] & 0xf)\n  base = x + 0, guard [..16], x small\n  a "
       "= base16[14]\n"
       "  if a == 0x50 goto 2 else 1\n1:\n  same base x + 0, guard [..18], x small\n  a = "
       "base16[16]\n  return a\n"
       "2:\n  return 0x1\n"},
      {"unbounded X: the lowest offset is the base, X is range-checked",
       "(000) ldh [0]\n(001) tax\n(002) ldb [x + -6]\n(003) ldh [x + 2]\n(004) ret\n",
       "0:\n  guard p[..2]\n  a = p16[0]\n  x = a\n  base = x + -6, guard [..10]\n  a = base8[0]\n "
       " a = base16[8]\n  return a\n"},
      {"a new X is a new base",
       "(000) ldx #4\n(001) ldb [x + 0]\n(002) ldx #8\n(003) ldb [x + 0]\n(004) ret\n",
       "0:\n  x = 0x4\n  base = x + 0, guard [..1], x small\n  a = base8[0]\n  x = 0x8\n  base = x "
       "+ 0, guard [..1], x small\n"
       "  a = base8[0]\n  return a\n"},
      {"offsets that cannot share a base do not",
       "(000) ldh [0]\n(001) tax\n(002) ldb [x + -2147483648]\n(003) ldb [x + 2147483647]\n(004) "
       "ret\n",
       "0:\n  guard p[..2]\n  a = p16[0]\n  x = a\n  base = x + -2147483648, guard [..1]\n  a = "
       "base8[0]\n"
       "  base = x + 2147483647, guard [..1]\n  a = base8[0]\n  return a\n"},
  });
}

/// Two paths with different bases meet in front of a load: the base is made anew.  Merging the
/// proven ranges instead reads the wrong bytes on one of the paths.
TEST(Passes, PathsWithDifferentBasesDoNotShare) {
  expect_dumps(
      {{"x from the packet, loads at 10, then 8 or 13, then 9",
        "(000) ldh [0]\n(001) tax\n(002) ld [x + 10]\n(003) jeq #3 jt 4 jf 6\n(004) ld [x + "
        "8]\n(005) ja 7\n"
        "(006) ldh [x + 13]\n(007) ldb [x + 9]\n(008) ret\n",
        "0:\n  guard p[..2]\n  a = p16[0]\n  x = a\n  base = x + 9, guard [..5]\n  a = base32[1]\n"
        "  if a == 0x3 goto 1 else 2\n1:\n  base = x + 8, guard [..4]\n  a = base32[0]\n  goto 3\n"
        "2:\n  base = x + 9, guard [..6]\n  a = base16[4]\n  goto 3\n"
        "3:\n  base = x + 9, guard [..1]\n  a = base8[0]\n  return a\n"}});
}

}  // namespace
}  // namespace cbpfc
