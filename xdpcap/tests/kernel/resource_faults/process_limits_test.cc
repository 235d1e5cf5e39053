// SPDX-License-Identifier: BSD-3-Clause
//
// Limits of a process (getrlimit(2)), from one with which xdpcap comes to main() to one with which it captures.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xdpcap/privilege/system_calls.h"
#include "xdpcap/tests/kernel/resource_faults/ordinary_user.h"
#include "xdpcap/tests/kernel/resource_faults/stage.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

class ProcessLimits : public ResourceFaults {};

// The least of the values from `least` in steps for which `works(value)`.
template <typename Works>
std::uint64_t first_that_works(std::uint64_t least, std::uint64_t step, Works works) {
  constexpr int kMostSteps = 80;
  std::uint64_t value = least;
  for (int i = 0; i < kMostSteps && !testing::Test::HasFailure(); ++i, value += step) {
    if (works(value)) {
      return value;
    }
  }
  ADD_FAILURE() << "no limit up to " << value << " is enough";
  return value;
}

std::vector<std::string> limited(const std::string& limit, std::uint64_t value,
                                 const std::vector<std::string>& command) {
  std::vector<std::string> words = {"prlimit", fmt::format("--{}={}", limit, value)};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

// Expects that a capture ends well whatever the limit; the first with which it works.
std::uint64_t first_that_captures(const Stage& stage, const std::string& limit,
                                  std::uint64_t step) {
  const std::string file = stage.file("out.pcapng");
  const std::uint64_t least = first_that_works(step, step, [&](std::uint64_t value) {
    return run(limited(limit, value, xdpcap_command({"-version"}))).end.exit_code == 0;
  });
  return first_that_works(least, step, [&](std::uint64_t value) {
    SCOPED_TRACE(fmt::format("{} {}", limit, value));
    return ends_well(
        stage, limited(limit, value, stage.command({"-c", "30", stage.rig().hook(), file})), file);
  });
}

TEST_F(ProcessLimits, OfDescriptors) {
  const Stage stage;
  Traffic traffic(stage.rig());
  fmt::print("{} descriptors are enough\n", first_that_captures(stage, "nofile", 1));
  traffic.stop();
}

TEST_F(ProcessLimits, OfAddressSpace) {
  if (kIsSanitized) {
    GTEST_SKIP() << "a sanitizer takes terabytes of address space";
  }
  constexpr std::uint64_t kStepBytes = 2U << 20U;
  const Stage stage;
  Traffic traffic(stage.rig());
  fmt::print("{} bytes of address space are enough\n",
             first_that_captures(stage, "as", kStepBytes));
  traffic.stop();
}

TEST_F(ProcessLimits, OfLockedMemory) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const std::string file = stage.file("out.pcapng");
  ends_well(stage, limited("memlock", 0, stage.command({"-c", "30", stage.rig().hook(), file})),
            file);
  traffic.stop();
}

// Root is not limited.  One process, a guardian and a thread.
TEST_F(ProcessLimits, OfProcesses) {
  const Stage stage;
  const OrdinaryUser user(stage);
  user.prepare_chain_directory(stage);
  Traffic traffic(stage.rig());
  const std::string file = stage.file("out.pcapng");
  const auto with = [&](std::uint64_t processes) {
    return user.command(std::vector<std::string>{"-c", "30", stage.rig().hook(), file},
                        OrdinaryUser::kEnough, {"prlimit", fmt::format("--nproc={}", processes)});
  };
  for (const std::uint64_t processes : {1U, 2U}) {
    const Outcome outcome = run(with(processes));
    EXPECT_EQ(outcome.end.exit_code, 1);
    EXPECT_THAT(outcome.errors, HasSubstr("ulimit -u"));
    stage.expect_nothing_left();
  }
  EXPECT_TRUE(ends_well(stage, with(3), file));
  traffic.stop();
}

}  // namespace
}  // namespace xdpcap::test
