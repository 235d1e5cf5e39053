// SPDX-License-Identifier: BSD-3-Clause
//
// -detach where programs are in the slots that no xdpcap of ours has put there.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <xdpcap/kernel/map.h>
#include <xdpcap/kernel/program.h>

#include <filesystem>
#include <optional>

#include "xdpcap/tests/kernel/array_program.h"
#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

class ForeignPrograms : public EndToEndTest {};

/// Programs in slots that no xdpcap of ours has put there, as a killed original leaves them.
class LeftPrograms {
 public:
  LeftPrograms(const Rig& rig, const std::vector<std::uint32_t>& slots)
      : hook_(rig.target().hook_fd()) {
    for (const std::uint32_t slot : slots) {
      put(slot, slot, "left_by_other");
    }
    note_bpf_objects(::getpid());
  }
  /// A program that returns `action`; its id.
  std::uint32_t put(std::uint32_t slot, std::uint32_t action, const std::string& name) {
    programs_.push_back(load_returning(action, TargetOptions().variant, name));
    EXPECT_TRUE(put_program(hook_, slot, programs_.back().get()).has_value());
    ids_.push_back(program_id(programs_.back().get()).value());
    return ids_.back();
  }
  std::uint32_t id(std::size_t i) const { return ids_[i]; }

 private:
  int hook_;
  std::vector<UniqueFd> programs_;
  std::vector<std::uint32_t> ids_;
};

void expect_drop_and_pass(const Rig& rig) {
  const PacketSocket delivered = rig.delivered();
  rig.sending().send(
      {order_frame(kDrop, 1), order_frame(kPass, 2), order_frame(kDrop, 3), order_frame(kPass, 4)});
  EXPECT_EQ(delivered.receive(2),
            (std::vector<Bytes>{order_frame(kPass, 2), order_frame(kPass, 4)}));
  EXPECT_TRUE(delivered.receive(1, Millis(20)).empty());
}

TEST_F(ForeignPrograms, AreNamedByDetachAndRemovedWhenForced) {
  const Rig rig;
  const int hook = rig.target().hook_fd();
  LeftPrograms left(rig, {kDrop, kPass});
  const std::string named = fmt::format(
      "program {} (left_by_other) in slot XDPDrop, program {} (left_by_other) in slot XDPPass",
      left.id(0), left.id(1));
  const std::string advice = fmt::format(
      "{}, not put there by this xdpcap; whether a process still uses them is not known (bpftool prog show id {} "
      "may name it); to remove what a killed one has left: xdpcap -detach -force {}\n",
      named, left.id(0), rig.hook());
  EXPECT_EQ(detach({rig.hook()}, 1),
            fmt::format("xdpcap: hook {}: no capture is running on it, but there is {}", rig.hook(),
                        advice));
  EXPECT_EQ(detach({"-q", rig.hook()}, 1).substr(0, 8), "xdpcap: ");
  EXPECT_EQ(filled_slots(hook), 2U);
  {
    Capture capture(hook, {"-q", rig.hook(), rig.file("1")});
    EXPECT_EQ(detach({rig.hook()}),
              fmt::format("xdpcap: hook {}: 1 capture ended; still there: {}", rig.hook(), advice));
    EXPECT_EQ(capture.process().wait().exit_code, 0);
  }
  EXPECT_EQ(slots_of(hook)[kDrop], left.id(0));
  expect_drop_and_pass(rig);
  EXPECT_EQ(
      detach({"-force", rig.hook()}),
      fmt::format("xdpcap: hook {0}: removing {1}\n"
                  "xdpcap: hook {0}: no capture is running on it; removed 2 foreign programs\n",
                  rig.hook(), named));
  EXPECT_EQ(filled_slots(hook), 0U);
  expect_drop_and_pass(rig);
  EXPECT_EQ(detach({"-force", rig.hook()}),
            fmt::format("xdpcap: hook {}: no capture is running on it\n", rig.hook()));
}

TEST_F(ForeignPrograms, AreLeftAloneWhereOursCannotBeTold) {
  const Rig rig;
  LeftPrograms left(rig, {kDrop});
  const Outcome outcome = run({"setpriv", "--bounding-set", "-sys_admin", "--inh-caps",
                               "-sys_admin", XDPCAP_COMMAND, "-detach", "-force", rig.hook()});
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("CAP_SYS_ADMIN"));
  EXPECT_EQ(slots_of(rig.target().hook_fd())[kDrop], left.id(0));
}

// The program that used the hook may be gone, too; then nothing shows that it is one.
TEST_F(ForeignPrograms, AreRemovedFromAnArrayThatNothingIsKnownOf) {
  const Rig rig;
  const UniqueFd left = make_hook();
  const std::string path = rig.pins().pin(left.get(), "left");
  const UniqueFd program = load_returning(kPass, TargetOptions().variant, "left_by_other");
  ASSERT_TRUE(put_program(left.get(), kPass, program.get()).has_value());
  note_bpf_objects(::getpid());
  EXPECT_THAT(detach({path}, 1),
              HasSubstr(", if you know that this is a hook: xdpcap -detach -force " + path + "\n"));
  EXPECT_EQ(filled_slots(left.get()), 1U);
  EXPECT_THAT(detach({"-force", path}), HasSubstr("; removed 1 foreign program\n"));
  EXPECT_EQ(filled_slots(left.get()), 0U);
}

// A dispatch table.
TEST_F(ForeignPrograms, OfATableAreLeftAlone) {
  const Rig rig;
  const ArrayProgram table(fmt::format("{}/program_arrays_O2.o", XDPCAP_TEST_PROGRAMS_DIR),
                           "table_plugin");
  const std::string path = rig.pins().pin(table.array_fd(), "plugins");
  const UniqueFd plugin = load_returning(kPass, TargetOptions().variant, "plugin");
  ASSERT_TRUE(put_program(table.array_fd(), 1, plugin.get()).has_value());
  note_bpf_objects(::getpid());
  for (const std::vector<std::string>& words : {std::vector{path}, {"-force", path}}) {
    const std::string said = detach(words, 1);
    EXPECT_THAT(said, HasSubstr("hook " + path + ": this program array is not a hook: program "));
    EXPECT_THAT(said, HasSubstr("; its programs are left alone\n"));
    EXPECT_EQ(slots_of(table.array_fd())[1], program_id(plugin.get()).value());
  }
}

}  // namespace
}  // namespace xdpcap::test
