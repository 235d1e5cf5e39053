// SPDX-License-Identifier: BSD-3-Clause
//
// Random valid programs from fixed seeds: every engine gives the same answer.
//
// DIFFERENTIAL_SEED and DIFFERENTIAL_PROGRAMS choose others, for longer runs.

#include <cbpfc/compile.h>
#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "differential/agreement.h"
#include "differential/generator.h"

namespace differential {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

void expect_agreement(Profile profile, std::uint64_t programs) {
  constexpr int kPacketsPerProgram = 5;
  Generator generator(from_environment("DIFFERENTIAL_SEED", 1), profile);
  Engines engines;
  std::uint64_t matches = 0;
  for (std::uint64_t n = 0; n < programs; ++n) {
    const cbpfc::Filter filter = generator.program();
    const auto describe = [&](const std::string& what) {
      const auto code = cbpfc::compile_ebpf(filter, {});
      return "program " + std::to_string(n) + ": " + what + "\n" +
             cbpfc::print_program(filter.encode(), cbpfc::TextForm::Listing);
    };
    std::string failure = engines.load(filter);
    ASSERT_TRUE(failure.empty()) << describe(failure);
    for (int i = 0; i < kPacketsPerProgram; ++i) {
      const Packet packet = generator.packet();
      failure = engines.run(packet);
      ASSERT_TRUE(failure.empty()) << describe(failure);
      matches += run_libpcap(filter.encode(), packet) != 0 ? 1U : 0U;
    }
  }
  // A generator whose programs never match would prove little.
  EXPECT_GT(matches, programs * kPacketsPerProgram / 10);
}

TEST(Random, EnginesAgree) {
  expect_agreement(Profile::Wide, from_environment("DIFFERENTIAL_PROGRAMS", 100000));
}

TEST(Random, EnginesAgreeAndTheVerifierAcceptsAddresses) {
  expect_agreement(Profile::Address, from_environment("DIFFERENTIAL_PROGRAMS", 50000));
}

}  // namespace
}  // namespace differential
