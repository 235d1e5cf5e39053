// SPDX-License-Identifier: BSD-3-Clause
//
// What a running capture and its guardian may still do, as the kernel tells; and that what is left suffices.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>

#include "xdpcap/privilege/system_calls.h"
#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

class PrivilegesTest : public EndToEndTest {};

// Bits of /proc/PID/status.
constexpr std::uint64_t kNetAdmin = std::uint64_t{1} << 12;
constexpr std::uint64_t kSysAdmin = std::uint64_t{1} << 21;
constexpr std::uint64_t kPerfmon = std::uint64_t{1} << 38;
constexpr std::uint64_t kBpf = std::uint64_t{1} << 39;
constexpr std::uint64_t kLoading = kBpf | kNetAdmin | kPerfmon;

/// A file of "Name:\tvalue" lines.
std::map<std::string, std::string> read_status(const std::string& path) {
  std::map<std::string, std::string> status;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (const std::size_t colon = line.find(":\t"); colon != std::string::npos) {
      status[line.substr(0, colon)] = line.substr(colon + 2);
    }
  }
  return status;
}

/// Its memory is not for core dumps, nor for other processes of its user: then /proc/PID is root's.
void expect_private(pid_t pid) {
  std::ifstream limits(fmt::format("/proc/{}/limits", pid));
  const std::string text((std::istreambuf_iterator<char>(limits)), {});
  EXPECT_THAT(text, testing::ContainsRegex("Max core file size +0 +0 "));
  struct stat memory{};
  EXPECT_EQ(::stat(fmt::format("/proc/{}/mem", pid).c_str(), &memory), 0);
  EXPECT_EQ(memory.st_uid, 0U);
}

/// Of each thread.
void expect_restricted(pid_t pid, std::uint64_t capabilities, uid_t uid) {
  std::size_t threads = 0;
  for (const auto& thread :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    ++threads;
    const auto status = read_status(thread.path().string() + "/status");
    const std::string wanted = fmt::format("{:016x}", capabilities);
    EXPECT_EQ(status.at("CapEff"), wanted);
    EXPECT_EQ(status.at("CapPrm"), wanted);
    EXPECT_EQ(status.at("CapInh"), fmt::format("{:016x}", 0));
    EXPECT_EQ(status.at("CapBnd"), fmt::format("{:016x}", 0));
    EXPECT_EQ(status.at("CapAmb"), fmt::format("{:016x}", 0));
    EXPECT_EQ(status.at("NoNewPrivs"), "1");
    EXPECT_EQ(status.at("Seccomp"), "2");
    EXPECT_EQ(status.at("Uid"), fmt::format("{0}\t{0}\t{0}\t{0}", uid));
  }
  EXPECT_GT(threads, 0U);
  expect_private(pid);
}

pid_t child_of(pid_t pid) {
  pid_t child = 0;
  std::ifstream(fmt::format("/proc/{0}/task/{0}/children", pid)) >> child;
  return child;
}

/// A directory of nobody's, in which nobody writes.
struct NobodysDirectory {
  NobodysDirectory() : user(::getpwnam("nobody")) {
    std::filesystem::permissions(files.file(""), std::filesystem::perms(0755));
    EXPECT_EQ(::chown(files.file("").c_str(), user->pw_uid, user->pw_gid), 0);
  }
  WorkDirectory files;
  const passwd* user;
};

TEST_F(PrivilegesTest, OfARunningCaptureAreThoseItNeeds) {
  const Rig rig;
  const NobodysDirectory nobodys;
  const std::string filter = nobodys.files.file("filter");
  std::ofstream(filter) << "less 60";
  const uid_t nobody = nobodys.user->pw_uid;
  const struct {
    std::vector<std::string> options;
    std::uint64_t capabilities;
    uid_t uid;
  } cases[] = {
      // as many as share a hook
      {{}, 0, 0},
      {{"-Z", "nobody"}, 0, nobody},
      {{"-ring", "1M"}, 0, 0},
      {{"-transport", "perf"}, 0, 0},
      {{"-F", filter}, 0, 0},
      {{"-F", filter, "-Z", std::to_string(nobody)}, 0, nobody},
      {{"-stats-prometheus", rig.file("numbers")}, 0, 0},
      {{"-stats-prometheus", nobodys.files.file("numbers2"), "-Z", "nobody"}, 0, nobody},
  };
  std::vector<std::unique_ptr<Capture>> captures;
  for (const auto& one : cases) {
    std::vector<std::string> arguments = {"-q"};
    arguments.insert(arguments.end(), one.options.begin(), one.options.end());
    arguments.insert(arguments.end(),
                     {rig.hook(), nobodys.files.file(fmt::format("{}", captures.size()))});
    captures.push_back(std::make_unique<Capture>(rig.target().hook_fd(), arguments));
  }
  for (std::size_t i = 0; i < captures.size(); ++i) {
    SCOPED_TRACE(fmt::format("case {}", i));
    const pid_t pid = captures[i]->process().pid();
    const auto is_restricted = [](pid_t process) {
      return read_status(fmt::format("/proc/{}/status", process))["Seccomp"] == "2";
    };
    EXPECT_TRUE(becomes_true([&] { return is_restricted(pid); }));
    // The guardian restricts itself once the slots are filled.
    EXPECT_TRUE(becomes_true([&] { return is_restricted(child_of(pid)); }));
    expect_restricted(pid, cases[i].capabilities, cases[i].uid);
    const auto& options = cases[i].options;
    const bool reloads = std::ranges::find(options, "-F") != options.end();
    expect_restricted(child_of(pid), reloads ? kSysAdmin | kLoading : kSysAdmin | kBpf, 0);
  }
  rig.sending().send(order_frame(1, 1));
  for (std::size_t i = 0; i < captures.size(); ++i) {
    SCOPED_TRACE(fmt::format("case {}", i));
    captures[i]->process().signal(SIGINT);
    EXPECT_EQ(captures[i]->process().wait().exit_code, 0) << captures[i]->process().errors();
    EXPECT_EQ(packets_in(nobodys.files.file(fmt::format("{}", i))),
              std::vector<Bytes>{order_frame(1, 1)});
  }
  EXPECT_EQ(filled_slots(rig.target().hook_fd()), 0U);
}

TEST_F(PrivilegesTest, FilesAreTheChosenUsers) {
  const Rig rig;
  const NobodysDirectory nobodys;
  const struct {
    std::vector<std::string> options;
    uid_t uid;
    mode_t mode;
  } cases[] = {
      {{}, 0, 0600},
      {{"-Z", "nobody"}, nobodys.user->pw_uid, 0600},
      {{"-Z", "nobody", "-mode", "0644"}, nobodys.user->pw_uid, 0644},
  };
  for (const auto& one : cases) {
    const std::string file = nobodys.files.file("out");
    std::vector<std::string> arguments = {"-q"};
    arguments.insert(arguments.end(), one.options.begin(), one.options.end());
    arguments.insert(arguments.end(), {rig.hook(), file});
    Capture capture(rig.target().hook_fd(), arguments);
    struct stat status{};
    EXPECT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, one.uid);
    EXPECT_EQ(status.st_mode & 0777U, one.mode);
    capture.stop();
    std::filesystem::remove(file);
  }
}

TEST_F(PrivilegesTest, AUserThatOthersShareIsWarnedOf) {
  const Rig rig;
  const NobodysDirectory nobodys;
  const struct {
    std::vector<std::string> options;
    std::string file;
    bool is_warned;
  } cases[] = {{{"-Z", "nobody"}, nobodys.files.file("1"), true},
               {{"-Z", "65534"}, nobodys.files.file("2"), true},
               {{"-q", "-Z", "nobody"}, nobodys.files.file("3"), false},
               {{"-Z", "root"}, rig.file("4"), false},
               {{}, rig.file("5"), false}};
  for (const auto& one : cases) {
    std::vector<std::string> arguments = one.options;
    arguments.insert(arguments.end(), {rig.hook(), one.file});
    Capture capture(rig.target().hook_fd(), arguments);
    capture.stop();
    constexpr const char* kWarning =
        "xdpcap: warning: option -Z: every process of user nobody can stop or kill this capture";
    EXPECT_EQ(capture.process().errors().find(kWarning) != std::string::npos, one.is_warned)
        << capture.process().errors();
  }
}

TEST_F(PrivilegesTest, AUserWhoCannotBeOneIsRefusedBeforeAnythingHappens) {
  const Rig rig;
  note_bpf_objects(::getpid());
  const std::string file = rig.file("out");
  for (const char* user : {"nobody-of-this-name", "4000000000", "-1"}) {
    const Outcome outcome = run(xdpcap_command({"-Z", user, rig.hook(), file}));
    EXPECT_EQ(outcome.end.exit_code, 1);
    EXPECT_THAT(
        outcome.errors,
        HasSubstr(fmt::format("xdpcap: option -Z: user \"{}\": there is no such user", user)));
    EXPECT_EQ(split(outcome.errors, '\n').size(), 2U) << outcome.errors;
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_EQ(filled_slots(rig.target().hook_fd()), 0U);
  }
}

TEST_F(PrivilegesTest, AKernelWithoutLandlockIsSaid) {
  if (kIsSanitized) {
    GTEST_SKIP() << "the runtime of a sanitizer opens files, so Landlock is left out";
  }
  const Rig rig;
  for (const bool is_missing : {false, true}) {
    const std::string fault = is_missing ? "error=ENOSYS" : "delay_enter=1";
    std::vector<std::string> command = {
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=landlock_create_ruleset:" + fault};
    const std::vector<std::string> capture = xdpcap_command({"-v", "-count", rig.hook()});
    command.insert(command.end(), capture.begin(), capture.end());
    Process process(command);
    EXPECT_TRUE(becomes_true([&] { return filled_slots(rig.target().hook_fd()) == 5; }))
        << process.errors();
    const pid_t capture_pid = child_of(process.pid());
    note_bpf_objects(capture_pid);
    EXPECT_EQ(::kill(capture_pid, SIGINT), 0);
    EXPECT_EQ(process.wait().exit_code, 0) << process.errors();
    EXPECT_EQ(process.errors().find("the kernel has no Landlock") != std::string::npos, is_missing)
        << process.errors();
  }
}

TEST_F(PrivilegesTest, AnOutputThatTheUserMayNotCreateIsNamed) {
  const Rig rig;
  note_bpf_objects(::getpid());
  const Outcome outcome = run(xdpcap_command({"-Z", "nobody", rig.hook(), rig.file("out")}));
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr(rig.file("out")));
  EXPECT_THAT(outcome.errors, HasSubstr("ermission"));
  EXPECT_EQ(split(outcome.errors, '\n').size(), 2U) << outcome.errors;
  EXPECT_EQ(filled_slots(rig.target().hook_fd()), 0U);
}

// Root without capabilities may not write there, and a running capture has none.
TEST_F(PrivilegesTest, AStatisticsFileThatCannotBeReplacedLaterIsNamedAtOnce) {
  const Rig rig;
  note_bpf_objects(::getpid());
  const NobodysDirectory nobodys;
  const Outcome outcome = run(xdpcap_command(
      {"-stats-prometheus", nobodys.files.file("numbers"), rig.hook(), rig.file("out")}));
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors,
              HasSubstr(fmt::format("option -stats-prometheus: create {}: Permission denied; a "
                                    "running capture is user 0 without capabilities",
                                    nobodys.files.file("numbers"))));
  EXPECT_EQ(split(outcome.errors, '\n').size(), 2U) << outcome.errors;
  EXPECT_FALSE(std::filesystem::exists(rig.file("out")));
  EXPECT_EQ(filled_slots(rig.target().hook_fd()), 0U);
}

TEST_F(PrivilegesTest, TheFilterCanStillBeChanged) {
  const Rig rig;
  const NobodysDirectory nobodys;
  const std::string filter = nobodys.files.file("filter");
  const std::string file = nobodys.files.file("out");
  std::ofstream(filter) << "less 60";
  Capture capture(rig.target().hook_fd(), {"-Z", "nobody", "-F", filter, rig.hook(), file});
  const PacketSocket delivered = rig.delivered();
  const auto send = [&](const Bytes& frame) {
    rig.sending().send(frame);
    EXPECT_EQ(delivered.receive(1).size(), 1U);
  };
  const Bytes small = order_frame(2, 1, 60);
  const Bytes large = order_frame(2, 2, 100);
  send(small);
  send(large);
  EXPECT_TRUE(becomes_true([&] {
    return read_status(fmt::format("/proc/{}/status", capture.process().pid()))["Seccomp"] == "2";
  }));
  std::ofstream(filter) << "greater 100";
  capture.process().signal(SIGUSR2);
  EXPECT_TRUE(becomes_true([&] {
    return capture.process().errors().find("read again: greater 100") != std::string::npos;
  })) << capture.process().errors();
  send(small);
  send(large);
  // A file that the user may not read any more changes nothing.
  std::filesystem::permissions(filter, std::filesystem::perms(0));
  capture.process().signal(SIGUSR2);
  EXPECT_TRUE(becomes_true([&] {
    return capture.process().errors().find("the filter stays as it was") != std::string::npos;
  })) << capture.process().errors();
  send(large);
  capture.stop();
  EXPECT_EQ(packets_in(file), (std::vector<Bytes>{small, large, large}));
}

}  // namespace
}  // namespace xdpcap::test
