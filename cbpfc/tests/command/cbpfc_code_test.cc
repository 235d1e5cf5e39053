// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/cbpfc_code.h"

#include <gtest/gtest.h>

#include "verify/interpreter/ebpf_interpret.h"
#include "verify/tests/subjects.h"

namespace command {
namespace {

namespace ebpf = cbpfc::ebpf;

using cbpfc::EbpfOptions;
using test::subject;

TEST(CbpfcCode, AFragmentEndsBehindItsLastInstruction) {
  const EbpfOptions options;
  const auto fragment = make_fragment(subject("ip"), options, false);
  ASSERT_TRUE(fragment) << fragment.error().message;
  EXPECT_FALSE(fragment->branches);
  const auto run = ebpf::interpret(fragment->insns, test::kIpv4, ebpf::entry_state(options, 14));
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->stopped_at, fragment->insns.size());
  EXPECT_EQ(run->registers[4], 262144U);
}

TEST(CbpfcCode, ABranchingFragmentEndsInTwoPlaces) {
  const EbpfOptions options;
  auto fragment = make_fragment(subject("ip"), options, true);
  ASSERT_TRUE(fragment) << fragment.error().message;
  EXPECT_TRUE(fragment->branches);
  const std::size_t end = fragment->insns.size();
  fragment->insns.push_back(ebpf::exit_insn());
  ebpf::EntryState entry = ebpf::entry_state(options, 14);
  entry.stops = {end};
  EXPECT_EQ(ebpf::interpret(fragment->insns, test::kIpv4, entry)->stopped_at, end);
  EXPECT_EQ(ebpf::interpret(fragment->insns, test::kIpv6, entry)->stopped_at, end + 1);
}

TEST(CbpfcCode, OptionsThatAreNotLegalAreNamed) {
  const auto fragment = make_fragment(subject("ip"), {.packet_start = ebpf::Reg::R4}, false);
  ASSERT_FALSE(fragment);
  EXPECT_EQ(fragment.error().code, cbpfc::Errc::InvalidArgument);
  EXPECT_EQ(fragment.error().option, "working");
}

TEST(CbpfcCode, OurOwnOptionsAreLegalWhateverLoadsAreAllowed) {
  for (const bool optimize : {false, true}) {
    for (const bool helpers : {false, true}) {
      for (const bool context : {false, true}) {
        EbpfOptions wanted{.optimize = optimize};
        wanted.ancillary.helpers = helpers;
        if (context) {
          wanted.ancillary.context = ebpf::Reg::R1;
        }
        for (const auto& program : {make_value_program(subject("tcp port 80"), wanted),
                                    make_repeating_program(subject("tcp port 80"), wanted, 3)}) {
          EXPECT_TRUE(program) << program.error().message;
        }
        EXPECT_EQ(own_options(wanted).optimize, optimize);
      }
    }
  }
}

TEST(CbpfcCode, ARepeatingProgramGrowsByTheFragment) {
  const std::size_t fragment = make_fragment(subject("ip"), own_options({}), false)->insns.size();
  const auto size = [](int copies) {
    return make_repeating_program(subject("ip"), {}, copies)->size();
  };
  EXPECT_EQ(size(1), size(0) + fragment);
  EXPECT_EQ(size(10), size(0) + 10 * fragment);
}

}  // namespace
}  // namespace command
