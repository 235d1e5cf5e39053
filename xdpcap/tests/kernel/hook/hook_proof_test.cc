// SPDX-License-Identifier: BSD-3-Clause
//
// Compiled programs that use a program array as a hook, or not.

#include "xdpcap/inspect/hook_proof.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "xdpcap/kernel/map.h"
#include "xdpcap/tests/kernel/array_program.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap {
namespace {

using Kind = HookProof::Kind;
using testing::HasSubstr;

/// One program, loaded.
HookProof proof_of(int map_fd) {
  return prove_hook(
      hook_facts(Hook::adopt(UniqueFd(::dup(map_fd)), "of the test").value()).value());
}

class Loaded : public test::ArrayProgram {
 public:
  Loaded(const std::string& object, const std::string& program, int array_fd = -1)
      : ArrayProgram(XDPCAP_TEST_PROGRAMS "/" + object + ".o", program, array_fd) {}
  HookProof proof() const { return proof_of(array_fd()); }
};

struct Case {
  const char* program;
  Kind kind;
  const char* found;
};

constexpr Case kCases[] = {
    {"hook_constant", Kind::ByInstructions, "tail-calls slot 2, and returns that number"},
    {"hook_many_exits", Kind::ByInstructions, "returns that number"},
    {"hook_calculated", Kind::ByInstructions, "number it calculates, and returns that number"},
    {"hook_in_a_loop", Kind::ByInstructions, "returns that number"},
    {"hook_subprogram", Kind::ByInstructions, "returns that number"},
    {"hook_subprogram_map", Kind::ByInstructions, "returns that number"},
    {"hook_global", Kind::ByInstructions, "returns that number"},
    {"hook_own_style", Kind::ByInstructions, "returns that number"},
    {"table_plugin", Kind::Refuted, "tail-calls slot 1, and returns 2 if the slot is empty"},
    {"table_protocols", Kind::Refuted, "tail-calls slot 0, and returns 2 if the slot is empty"},
    {"table_both_ways", Kind::Refuted, "tail-calls slot 4, and returns 2 if the slot is empty"},
    {"table_in_subprogram", Kind::NotShown, "and does not always return that number"},
    {"counts_afterwards", Kind::NotShown, "does more than return that number"},
};

class HookProofTest : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_P(HookProofTest, ProgramsShowWhatTheyUseAnArrayFor) {
  for (const Case& c : kCases) {
    const HookProof proof = Loaded(GetParam(), c.program).proof();
    EXPECT_EQ(proof.kind, c.kind) << c.program << ": " << proof.found;
    EXPECT_THAT(proof.found, HasSubstr(c.found)) << c.program;
  }
}

// The kernel then shows calls without the helper's number.
TEST_P(HookProofTest, AlsoWhereTheKernelHidesAddresses) {
  for (const Case& c : kCases) {
    const Loaded loaded(GetParam(), c.program);
    constexpr std::uint64_t kSyslog = std::uint64_t{1} << 34;
    const test::ReducedCapabilities without(~kSyslog);
    const HookProof proof = loaded.proof();
    EXPECT_EQ(proof.kind, c.kind) << c.program << ": " << proof.found;
  }
}

// The kernel then masks the index, against speculation.
TEST_P(HookProofTest, AlsoOfProgramsThatWereLoadedWithFewCapabilities) {
  for (const Case& c : kCases) {
    if (std::string_view(c.program) == "hook_in_a_loop") {
      continue;  // not loaded without CAP_PERFMON
    }
    constexpr std::uint64_t kBpfAndNetAdmin = std::uint64_t{1} << 39 | std::uint64_t{1} << 12;
    std::unique_ptr<Loaded> loaded;
    {
      const test::ReducedCapabilities few(kBpfAndNetAdmin);
      loaded = std::make_unique<Loaded>(GetParam(), c.program);
    }
    const HookProof proof = loaded->proof();
    EXPECT_EQ(proof.kind, c.kind) << c.program << ": " << proof.found;
  }
}

INSTANTIATE_TEST_SUITE_P(Compiled, HookProofTest,
                         testing::Values("program_arrays_O1", "program_arrays_O2",
                                         "program_arrays_Os", "program_arrays_of_32"),
                         [](const auto& instance) { return std::string(instance.param); });

constexpr const char* kObject = "program_arrays_O2";

Result<void> check(const Hook& hook) {
  return check_is_hook(hook, hook_facts(hook).value());
}

UniqueFd named_array(const char* name) {
  return create_program_array(name, 5).value();
}

TEST_F(HookProofTest, OneProgramThatUsesItOtherwiseIsEnough) {
  const Loaded hook(kObject, "hook_constant");
  const Loaded same(kObject, "hook_calculated", hook.array_fd());
  EXPECT_EQ(hook.proof().kind, Kind::ByInstructions);
  const Loaded table(kObject, "table_protocols", hook.array_fd());
  EXPECT_EQ(hook.proof().kind, Kind::Refuted);
  EXPECT_THAT(hook.proof().found, HasSubstr("table_protocol"));
}

TEST_F(HookProofTest, TheNameDecidesWhereInstructionsDoNot) {
  const UniqueFd named = named_array("xdpcap_x");
  const Loaded counts(kObject, "counts_afterwards", named.get());
  EXPECT_EQ(counts.proof().kind, Kind::ByName);
  EXPECT_THAT(counts.proof().found, HasSubstr("its map is called \"xdpcap_x\""));
  const Loaded plugin(kObject, "table_plugin", named.get());
  EXPECT_EQ(plugin.proof().kind, Kind::Refuted);
}

TEST_F(HookProofTest, AnArrayThatNoProgramUsesIsNotShown) {
  const UniqueFd unnamed = named_array("jmp_table");
  const HookProof proof = proof_of(unnamed.get());
  EXPECT_EQ(proof.kind, Kind::NotShown);
  EXPECT_THAT(proof.found, HasSubstr("no loaded program makes a tail call into it"));
}

TEST_F(HookProofTest, WithoutTheRightToLookTheNameDecides) {
  test::BpfDirectory pins;
  const UniqueFd named = named_array("xdpcap_hook");
  const Loaded first(kObject, "hook_constant", named.get());
  const Loaded second(kObject, "hook_constant");
  const Hook by_name = Hook::open(pins.pin(named.get(), "named")).value();
  const Hook other = Hook::open(pins.pin(second.array_fd(), "other")).value();
  EXPECT_TRUE(check(by_name).has_value());
  EXPECT_TRUE(check(other).has_value());
  constexpr std::uint64_t kBpfAndNetAdmin = std::uint64_t{1} << 39 | std::uint64_t{1} << 12;
  const test::ReducedCapabilities few(kBpfAndNetAdmin);
  EXPECT_TRUE(check(by_name).has_value());
  const Result<void> refused = check(other);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("CAP_SYS_ADMIN"));
  EXPECT_THAT(refused.error().message, HasSubstr("-force"));
}

}  // namespace
}  // namespace xdpcap
