// SPDX-License-Identifier: BSD-3-Clause
//
// What a capture takes if -buffer is not given, on machines with many CPUs: the lists of CPUs in /sys are replaced, for xdpcap
// alone.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "xdpcap/kernel/cpus.h"
#include "xdpcap/tests/kernel/resource_faults/stage.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

class DefaultMemory : public ResourceFaults {
 protected:
  /// What `-v` says, where the files of /sys/devices/system/cpu in `lists` say that there are 128.
  static std::string capture_on_128_cpus(const std::vector<std::string>& lists) {
    const Stage stage;
    Traffic traffic(stage.rig());
    const std::string fake = stage.file("cpus");
    std::ofstream(fake) << "0-127\n";
    std::string setup = "true";
    for (const std::string& list : lists) {
      setup += fmt::format(" && mount --bind {} /sys/devices/system/cpu/{}", fake, list);
    }
    std::vector<std::string> command = {"unshare", "--mount"};
    for (const std::string& word : in_shell(
             setup,
             stage.command({"-v", "-c", "30", stage.rig().hook(), stage.file("out.pcapng")}))) {
      command.push_back(word);
    }
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.end.exit_code, 0) << outcome.errors;
    EXPECT_EQ(packets_in(stage.file("out.pcapng")).size(), 30U);
    traffic.stop();
    stage.expect_nothing_left();
    return outcome.errors;
  }
};

TEST_F(DefaultMemory, IsNotTakenForCpusThatWouldHaveToBePluggedIn) {
  EXPECT_THAT(capture_on_128_cpus({"possible"}),
              HasSubstr(fmt::format("memory: {} ring", present_cpus().value())));
}

TEST_F(DefaultMemory, Is64MiBAtMost) {
  const std::string says = capture_on_128_cpus({"possible", "present"});
  EXPECT_THAT(says, HasSubstr("memory: 128 rings of 262144 bytes take "));
  const std::size_t total = says.rfind("; ", says.find(" bytes in all"));
  ASSERT_NE(total, std::string::npos) << says;
  EXPECT_LE(std::stoull(says.substr(total + 2)), 64ULL << 20U) << says;
}

}  // namespace
}  // namespace xdpcap::test
