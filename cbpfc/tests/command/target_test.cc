// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/target.h"

#include <gtest/gtest.h>

#include "verify/interpreter/ebpf_interpret.h"
#include "verify/tests/subjects.h"

namespace command {
namespace {

namespace ebpf = cbpfc::ebpf;

using cbpfc::EbpfOptions;
using test::subject;

TEST(Target, AFragmentEndsBehindItsLastInstruction) {
  const EbpfOptions options;
  const auto fragment = make_fragment(subject("ip"), options, false);
  ASSERT_TRUE(fragment) << fragment.error().message;
  EXPECT_FALSE(fragment->branches);
  const auto run = ebpf::interpret(fragment->insns, test::kIpv4, ebpf::entry_state(options, 14));
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->stopped_at, fragment->insns.size());
  EXPECT_EQ(run->registers[4], 262144U);
}

TEST(Target, ABranchingFragmentEndsInTwoPlaces) {
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

TEST(Target, OptionsThatAreNotLegalAreNamed) {
  const auto fragment = make_fragment(subject("ip"), {.packet_start = ebpf::Reg::R4}, false);
  ASSERT_FALSE(fragment);
  EXPECT_EQ(fragment.error().code, cbpfc::Errc::InvalidArgument);
  EXPECT_EQ(fragment.error().option, "working");
}

}  // namespace
}  // namespace command
