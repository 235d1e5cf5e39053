// SPDX-License-Identifier: BSD-3-Clause
//
// What xdpcap may do with which capabilities, and what it says about those it lacks.
//
//     CAP_BPF + CAP_NET_ADMIN    captures, and shares a hook with captures of the same user
//     CAP_PERFMON                filters that read at an offset from the packet
//     CAP_SYS_ADMIN              shares a hook with foreign programs, and with captures of other users

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "xdpcap/tests/kernel/resource_faults/ordinary_user.h"
#include "xdpcap/tests/kernel/resource_faults/stage.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

namespace xdpcap::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Where the port is depends on the length of the IP header.
constexpr const char* kIndirect = "udp dst port 7007";

class Capabilities : public ResourceFaults {};

void expect_refused(const Stage& stage, const std::vector<std::string>& command, const auto& says) {
  const Outcome outcome = run(command);
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, says);
  stage.expect_nothing_left();
}

TEST_F(Capabilities, ThatAreMissingAreNamed) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const std::string file = stage.file("out.pcapng");
  const std::vector<std::string> plain = stage.command({"-c", "30", stage.rig().hook(), file});
  const std::vector<std::string> indirect =
      stage.command({"-c", "10", stage.rig().hook(), file, kIndirect});
  // Of those a capture uses, CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON.
  expect_refused(stage, without_capabilities("bpf sys_admin", plain), HasSubstr("lacks CAP_BPF;"));
  expect_refused(stage, without_capabilities("net_admin sys_admin", plain),
                 HasSubstr("lacks CAP_NET_ADMIN;"));
  expect_refused(stage, without_capabilities("perfmon sys_admin", indirect),
                 HasSubstr("CAP_PERFMON"));
  for (const char* unneeded : {"bpf", "perfmon", "sys_admin", "perfmon sys_admin",
                               "sys_resource ipc_lock sys_ptrace dac_override"}) {
    SCOPED_TRACE(unneeded);
    EXPECT_TRUE(ends_well(stage, without_capabilities(unneeded, plain), file));
  }
  for (const char* unneeded : {"bpf", "perfmon", "sys_admin"}) {
    SCOPED_TRACE(unneeded);
    EXPECT_TRUE(ends_well(stage, without_capabilities(unneeded, indirect), file));
  }
  traffic.stop();
}

/// A capture that runs beside another; it has entered when the constructor returns.
class Beside {
 public:
  Beside(const Stage& stage, const std::vector<std::string>& command, std::size_t captures)
      : process_(command) {
    EXPECT_TRUE(becomes_true([&] {
      return (filled_slots(stage.hook_fd()) == 5 && stage.guardians().size() == captures) ||
             !process_.is_running();
    })) << process_.errors();
    std::this_thread::sleep_for(Millis(200));  // from its guardian's start to its programs
    EXPECT_TRUE(process_.is_running()) << process_.errors();
    note_bpf_objects(process_.pid());
  }
  // Ends it; how many packets it saw.
  std::uint64_t stop(const std::string& file) {
    process_.signal(SIGINT);
    EXPECT_EQ(process_.wait().exit_code, 0) << process_.errors();
    const std::vector<std::string> lines = split(process_.errors(), '\n');
    EXPECT_GT(lines.size(), 1U);
    const std::string line = lines.size() > 1 ? lines[lines.size() - 2] : "";
    expect_exact(line, file);
    return parse_totals(line).received;
  }

 private:
  Process process_;
};

TEST_F(Capabilities, ThreeAreEnoughToShareAHook) {
  const Stage stage;
  const OrdinaryUser user(stage);
  const auto arguments = [&](const char* file) {
    return std::vector<std::string>{stage.rig().hook(), stage.file(file)};
  };
  user.prepare_chain_directory(stage);
  Beside first(stage, user.command(arguments("first")), 1);
  Beside second(stage, user.command(arguments("second")), 2);
  const Outcome root = run(stage.command({stage.rig().hook(), stage.file("root")}));
  EXPECT_EQ(root.end.exit_code, 1);
  EXPECT_THAT(root.errors, AllOf(HasSubstr("a capture of user 64321 that does not share"),
                                 HasSubstr("xdpcap -detach")));
  Traffic traffic(stage.rig());
  traffic.await_rounds(20);
  const std::uint64_t sent = traffic.stop();
  EXPECT_EQ(first.stop(stage.file("first")), sent);
  EXPECT_EQ(second.stop(stage.file("second")), sent);
  stage.expect_nothing_left();
}

TEST_F(Capabilities, ThreeAreEnoughWithAnyUmask) {
  const Stage stage;
  const OrdinaryUser user(stage);
  ASSERT_EQ(::chmod(stage.rig().pins().path().c_str(), 01777), 0);
  const mode_t before = ::umask(0777);
  Beside capture(stage,
                 user.command(std::vector<std::string>{"-mode", "0600", stage.rig().hook(),
                                                       stage.file("out")}),
                 1);
  ::umask(before);
  Traffic traffic(stage.rig());
  traffic.await_rounds(20);
  const std::uint64_t sent = traffic.stop();
  EXPECT_EQ(capture.stop(stage.file("out")), sent);
  stage.expect_nothing_left();
}

/// The command that an error gives, between backquotes.
std::string advised_command(const std::string& errors) {
  const std::size_t start = errors.find('`') + 1;
  return errors.substr(start, errors.find('`', start) - start);
}

TEST_F(Capabilities, ThreeAreEnoughOnceThePinIsOpenAsTheErrorSays) {
  const Stage stage;
  const OrdinaryUser user(stage);
  const std::string hook = stage.rig().hook();
  ASSERT_EQ(::chown(hook.c_str(), 0, 0), 0);
  ASSERT_EQ(::chmod(stage.rig().pins().path().c_str(), 0700), 0);
  Traffic traffic(stage.rig());
  const std::string file = stage.file("out.pcapng");
  const std::vector<std::string> command =
      user.command(std::vector<std::string>{"-c", "30", hook, file});
  for (const char* says :
       {"may not enter a directory on the way to it: /tmp/", "may not read and write the pin /tmp/",
        "where captures share the hook: this user may not make it"}) {
    const Outcome refused = run(command);
    EXPECT_EQ(refused.end.exit_code, 1);
    EXPECT_THAT(refused.errors, AllOf(HasSubstr(says), Not(HasSubstr("run as root"))));
    EXPECT_EQ(run({"sh", "-c", advised_command(refused.errors)}).end.exit_code, 0)
        << refused.errors;
  }
  EXPECT_TRUE(ends_well(stage, command, file));
  traffic.stop();
}

TEST_F(Capabilities, OfAnotherUserDoNotReachTheCapturesOfRoot) {
  const Stage stage;
  const OrdinaryUser user(stage);
  user.prepare_chain_directory(stage);
  const std::string file = stage.file("root");
  Beside root(stage, stage.command({stage.rig().hook(), file}), 1);
  Traffic traffic(stage.rig());
  const Outcome outcome =
      run(user.command(std::vector<std::string>{stage.rig().hook(), stage.file("other")}));
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, AllOf(HasSubstr("CAP_SYS_ADMIN"), HasSubstr("is taken by")));
  const std::uint64_t sent = traffic.stop();
  EXPECT_EQ(root.stop(file), sent);
  stage.expect_nothing_left();
}

TEST_F(Capabilities, OfAdministrationAreForForeignPrograms) {
  const Stage stage;
  const OrdinaryUser user(stage);
  user.prepare_chain_directory(stage);
  const UniqueFd foreign =
      load_returning(2, {.expected_attach_type = 37, .multi_buffer = false}, "foreign");
  const std::uint32_t pass = 2;
  const int foreign_fd = foreign.get();
  ASSERT_EQ(::bpf_map_update_elem(stage.hook_fd(), &pass, &foreign_fd, 0), 0);
  Traffic traffic(stage.rig());
  const std::vector<std::uint32_t> before = slots_of(stage.hook_fd());
  const Outcome outcome =
      run(user.command(std::vector<std::string>{stage.rig().hook(), stage.file("out.pcapng")}));
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, AllOf(HasSubstr("CAP_SYS_ADMIN"), HasSubstr("is taken by program")));
  EXPECT_EQ(slots_of(stage.hook_fd()), before);
  traffic.stop();
  empty_slots(stage.hook_fd());
  stage.expect_nothing_left();
}

}  // namespace
}  // namespace xdpcap::test
