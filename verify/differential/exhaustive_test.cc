// SPDX-License-Identifier: BSD-3-Clause
//
// Every program of a few instructions from a small alphabet, on every packet of up to four bytes that are
// each 0, 1 or 255: nothing is left to chance.
//
//     All      three instructions of two dozen, and a return
//     Branches five of those that load, mask, compare and return
//     Joins    six around a branch and a join: loads relative to one X, on one path or both
//
// Plain and optimised code, interpreted, against the interpreter and libpcap; every so manieth program in
// all configurations and in the kernel, too.  DIFFERENTIAL_LONGER=1 makes programs that many instructions
// longer: see verify/nightly.

#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include <functional>

#include "verify/differential/engines/environment.h"
#include "verify/differential/engines/trial.h"

namespace differential {
namespace {

using cbpfc::RawInsn;

struct Alphabet {
  const char* name;
  std::vector<RawInsn> insns;
  std::size_t length;       ///< instructions of a program, without the return
  std::size_t kernel_step;  ///< every so manieth runs in the kernel
};

void PrintTo(const Alphabet& alphabet, std::ostream* out) {
  *out << alphabet.name;
}

constexpr std::uint32_t kMinus1 = 0xffffffff;

std::vector<Alphabet> alphabets() {
  return {
      {.name = "All",
       .insns = {{.code = 0x30, .k = 0},
                 {.code = 0x28, .k = 1},
                 {.code = 0x20, .k = 0},
                 {.code = 0x50, .k = 0},
                 {.code = 0x48, .k = 1},
                 {.code = 0x50, .k = kMinus1},
                 {.code = 0xb1, .k = 0},
                 {.code = 0x80},
                 {.code = 0x81},
                 {.code = 0x07},
                 {.code = 0x87},
                 {.code = 0x01, .k = 1},
                 {.code = 0x54, .k = 1},
                 {.code = 0x0c},
                 {.code = 0x14, .k = 1},
                 {.code = 0x3c},
                 {.code = 0x6c},
                 {.code = 0x02},
                 {.code = 0x60},
                 {.code = 0x15, .jt = 1, .jf = 0, .k = 0},
                 {.code = 0x25, .jt = 0, .jf = 1, .k = 1},
                 {.code = 0x3d, .jt = 1, .jf = 0},
                 {.code = 0x45, .jt = 0, .jf = 1, .k = 0x80},
                 {.code = 0x16}},
       .length = 3,
       .kernel_step = 41},
      {.name = "Branches",
       .insns = {{.code = 0x30, .k = 0},
                 {.code = 0x30, .k = 1},
                 {.code = 0x28, .k = 0},
                 {.code = 0x54, .k = 1},
                 {.code = 0x74, .k = 7},
                 {.code = 0x15, .jt = 1, .jf = 0, .k = 0},
                 {.code = 0x15, .jt = 0, .jf = 1, .k = 255},
                 {.code = 0x15, .jt = 1, .jf = 2, .k = 1},
                 {.code = 0x25, .jt = 1, .jf = 0, .k = 0},
                 {.code = 0x35, .jt = 0, .jf = 1, .k = 1},
                 {.code = 0x06, .k = 7},
                 {.code = 0x06, .k = 0}},
       .length = 5,
       .kernel_step = 211},
      {.name = "Joins",
       .insns = {{.code = 0x50, .k = 0},
                 {.code = 0x50, .k = 1},
                 {.code = 0x48, .k = kMinus1},
                 {.code = 0x07},
                 {.code = 0x15, .jt = 0, .jf = 2, .k = 0},
                 {.code = 0x05, .k = 1}},
       .length = 6,
       .kernel_step = 97},
  };
}

std::vector<Packet> all_packets() {
  std::vector<Packet> all = {{}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const int byte : {0, 1, 255}) {
      if (all[i].size() < 4) {
        Packet longer = all[i];
        longer.push_back(static_cast<std::uint8_t>(byte));
        all.push_back(std::move(longer));
      }
    }
  }
  return all;
}

/// Calls `see` with every valid program of the alphabet.
void for_each_program(const Alphabet& alphabet,
                      const std::function<void(const cbpfc::Filter&)>& see) {
  std::vector<std::size_t> digits(alphabet.length + from_environment("DIFFERENTIAL_LONGER", 0), 0);
  for (;;) {
    std::vector<RawInsn> program;
    for (const std::size_t digit : digits) {
      program.push_back(alphabet.insns[digit]);
    }
    for (const RawInsn& last : {RawInsn{.code = 0x16}, RawInsn{.code = 0x06, .k = 7}}) {
      program.push_back(last);
      if (const auto filter = cbpfc::Filter::decode(program)) {
        see(*filter);
      }
      program.pop_back();
    }
    std::size_t place = 0;
    while (place < digits.size() && ++digits[place] == alphabet.insns.size()) {
      digits[place++] = 0;
    }
    if (place == digits.size()) {
      return;
    }
  }
}

class Exhaustive : public testing::TestWithParam<Alphabet> {};

TEST_P(Exhaustive, EveryProgramOnEveryPacket) {
  const std::vector<Packet> packets = all_packets();
  ASSERT_EQ(packets.size(), 1U + 3 + 9 + 27 + 81);
  const std::vector<Configuration> both = configurations();
  CheapEngines cheap({both[0], both[1]});
  Engines engines;
  std::size_t programs = 0;
  for_each_program(GetParam(), [&](const cbpfc::Filter& filter) {
    if (HasFatalFailure()) {
      return;
    }
    const std::string failure = programs++ % GetParam().kernel_step == 0
                                    ? try_program(engines, filter, packets)
                                    : try_program(cheap, filter, packets);
    ASSERT_EQ(failure, "");
  });
  EXPECT_GT(programs, 10'000U);
  RecordProperty("programs", static_cast<int>(programs));
}

INSTANTIATE_TEST_SUITE_P(Alphabet, Exhaustive, testing::ValuesIn(alphabets()),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace differential
