// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/programs.h"

#include <gtest/gtest.h>

#include "cbpfc/command/target.h"
#include "verify/tests/subjects.h"

namespace check {
namespace {

namespace ebpf = cbpfc::ebpf;

using cbpfc::EbpfOptions;
using command::make_fragment;
using command::test::subject;

TEST(Programs, OurOwnOptionsAreLegalWhateverLoadsAreAllowed) {
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

TEST(Programs, ARepeatingProgramGrowsByTheFragment) {
  const std::size_t fragment = make_fragment(subject("ip"), own_options({}), false)->insns.size();
  const auto size = [](int copies) {
    return make_repeating_program(subject("ip"), {}, copies)->size();
  };
  EXPECT_EQ(size(1), size(0) + fragment);
  EXPECT_EQ(size(10), size(0) + 10 * fragment);
}

}  // namespace
}  // namespace check
