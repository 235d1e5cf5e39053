// SPDX-License-Identifier: BSD-3-Clause
//
// What xdpcap does with hooks besides capturing: -list, -status, -detach, -diagnose.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <xdpcap/kernel/map.h>
#include <xdpcap/kernel/program.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

#include "base/testing/json.h"
#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Commands : public EndToEndTest {};

/// A command's output, which must be all it says.
std::string output_of(const std::vector<std::string>& arguments) {
  const Outcome outcome = run(xdpcap_command(arguments));
  EXPECT_EQ(outcome.end.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.errors, "");
  return outcome.output;
}

/// Waits until a capture beside others runs, as the header of its file shows: slots are filled already.
void await_header(const std::string& file) {
  EXPECT_TRUE(becomes_true([&] {
    std::error_code none;
    const auto size = std::filesystem::file_size(file, none);
    return !none && size > 0;
  })) << file;
}

pid_t guardian_of(pid_t pid) {
  pid_t guardian = 0;
  std::ifstream(fmt::format("/proc/{0}/task/{0}/children", pid)) >> guardian;
  return guardian;
}

/// The line of a hook in what -json prints.
Json hook_in(const std::string& lines, std::uint32_t map_id) {
  for (const std::string& line : split(lines, '\n')) {
    if (line.empty()) {
      continue;
    }
    Json hook = parse_json(line);
    if (hook["map_id"].number() == map_id) {
      return hook;
    }
  }
  ADD_FAILURE() << "map " << map_id << " is not in " << lines;
  return Json();
}

Json capture_of(const Json& hook, pid_t pid) {
  for (std::size_t i = 0; i < hook["captures"].size(); ++i) {
    if (hook["captures"][i]["pid"].number() == pid) {
      return hook["captures"][i];
    }
  }
  ADD_FAILURE() << "no capture with pid " << pid;
  return Json();
}

TEST_F(Commands, ListAndStatusShowHooksWithTheirCaptures) {
  const Rig rig;
  const int hook = rig.target().hook_fd();
  const auto inside = rig.observed().enter();
  Capture drops(hook, {"-q", "-actions", "drop", rig.hook(), rig.file("a"), "less 70"}, 1);
  Capture all(hook, {"-q", rig.hook(), rig.file("b\n\xff")});
  const PacketSocket delivered = rig.delivered();
  rig.sending().send({order_frame(1, 1, 60), order_frame(1, 2, 100), order_frame(2, 3)});
  EXPECT_EQ(delivered.receive(1).size(), 1U);
  const std::string drops_text = fmt::format(
      "  capture   pid {}, user 0: {} -q -actions drop {} {} less 70\n"
      "              less 70; XDPDrop\n"
      "              2 received, 1 matched; capturing\n",
      drops.process().pid(), XDPCAP_COMMAND, rig.hook(), rig.file("a"));
  const std::string all_text =
      "              every packet; XDPAborted, XDPDrop, XDPPass, XDPTx, XDPRedirect\n"
      "              3 received, 3 matched; capturing\n";
  for (const std::string& text : {output_of({"-status", rig.hook()}), output_of({"-list"})}) {
    EXPECT_THAT(text, AllOf(HasSubstr(rig.hook() + "\n"), HasSubstr("\"xdpcap_hook\", 5 slots\n"),
                            HasSubstr("\"target\"\n              on to_a (up, native)\n"),
                            HasSubstr(drops_text), HasSubstr(all_text),
                            HasSubstr("slot      1 XDPDrop: program "), HasSubstr(", of a capture"),
                            Not(HasSubstr("b\n"))));
  }
  const std::uint32_t map_id = map_info(hook)->id;
  for (const std::string& lines :
       {output_of({"-json", "-status", rig.hook()}), output_of({"-list", "-json"})}) {
    const Json found = hook_in(lines, map_id);
    EXPECT_EQ(found["name"].text(), "xdpcap_hook");
    EXPECT_EQ(found["slots"].number(), 5);
    EXPECT_EQ(found["paths"][0].text(), rig.hook());
    EXPECT_TRUE(found["is_owned"].boolean());
    EXPECT_TRUE(found["users_unknown"].is_null());
    ASSERT_EQ(found["users"].size(), 1U);
    EXPECT_EQ(found["users"][0]["program_name"].text(), "target");
    const Json interface = found["users"][0]["interfaces"][0];
    EXPECT_EQ(interface["name"].text(), "to_a");
    EXPECT_EQ(interface["ifindex"].number(), rig.observed_ifindex());
    EXPECT_EQ(interface["state"].text(), "up");
    EXPECT_TRUE(interface["via"].is_null());
    EXPECT_EQ(found["holders"].size(), 5U);
    EXPECT_TRUE(found["holders"][1]["is_capture"].boolean());
    ASSERT_EQ(found["captures"].size(), 2U);
    const Json of_drops = capture_of(found, drops.process().pid());
    EXPECT_EQ(of_drops["user_id"].number(), 0);
    EXPECT_EQ(of_drops["filter"].text(), "less 70");
    EXPECT_THAT(of_drops["command_line"].text(), HasSubstr(" -actions drop "));
    ASSERT_EQ(of_drops["actions"].size(), 1U);
    EXPECT_EQ(of_drops["actions"][0].text(), "XDPDrop");
    EXPECT_EQ(of_drops["received"].number(), 2);
    EXPECT_EQ(of_drops["matched"].number(), 1);
    EXPECT_EQ(of_drops["state"].text(), "capturing");
    const Json of_all = capture_of(found, all.process().pid());
    EXPECT_THAT(of_all["command_line"].text(), HasSubstr("/b\\u000a\xef\xbf\xbd"));
    EXPECT_EQ(of_all["filter"].text(), "");
    EXPECT_EQ(of_all["actions"].size(), 5U);
    EXPECT_EQ(of_all["received"].number(), 3);
  }
  drops.process().signal(SIGINT);
  EXPECT_EQ(drops.process().wait().exit_code, 0);
  all.stop();
  EXPECT_EQ(hook_in(output_of({"-json", "-status", rig.hook()}), map_id)["captures"].size(), 0U);
  EXPECT_THAT(output_of({"-status", rig.hook()}), HasSubstr("  capture   none\n"));
}

TEST_F(Commands, DetachEndsOneAndAll) {
  const Rig rig;
  const int hook = rig.target().hook_fd();
  EXPECT_EQ(detach({rig.hook()}),
            fmt::format("xdpcap: hook {}: no capture is running on it\n", rig.hook()));
  Capture first(hook, {"-q", rig.hook(), rig.file("1")});
  Capture second(hook, {"-q", rig.hook(), rig.file("2")});
  Capture third(hook, {"-q", rig.hook(), rig.file("3")});
  await_header(rig.file("2"));
  await_header(rig.file("3"));
  const std::string wrong = std::to_string(::getpid());
  EXPECT_EQ(
      detach({rig.hook(), wrong}, 1),
      fmt::format(
          "xdpcap: hook {0}: no capture with pid {1} is on it; xdpcap -status {0} shows those that are\n",
          rig.hook(), wrong));
  const PacketSocket delivered = rig.delivered();
  rig.sending().send({order_frame(1, 1), order_frame(2, 2)});
  EXPECT_EQ(delivered.receive(1).size(), 1U);
  const std::string pid = std::to_string(second.process().pid());
  EXPECT_EQ(detach({rig.hook(), pid}),
            fmt::format("xdpcap: hook {}: capture with pid {} ended\n", rig.hook(), pid));
  const Ended end = second.process().wait(Millis(2'000));
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_THAT(second.process().errors(),
              HasSubstr("this capture is ended, as -detach was asked for, by pid "));
  EXPECT_EQ(packets_in(rig.file("2")), (std::vector<Bytes>{order_frame(1, 1), order_frame(2, 2)}));
  EXPECT_TRUE(first.process().is_running() && third.process().is_running());
  EXPECT_EQ(detach({rig.hook()}), fmt::format("xdpcap: hook {}: 2 captures ended\n", rig.hook()));
  EXPECT_EQ(filled_slots(hook), 0U);
  for (Capture* capture : {&first, &third}) {
    EXPECT_EQ(capture->wait(Millis(2'000)).exit_code, 0) << capture->process().errors();
  }
  EXPECT_EQ(detach({"-q", rig.hook()}), "");
}

TEST_F(Commands, DetachTakesOutWhatAKilledCaptureLeft) {
  const Rig rig;
  const int hook = rig.target().hook_fd();
  Capture killed(hook, {"-q", rig.hook(), rig.file("1")});
  const pid_t guardian = guardian_of(killed.process().pid());
  ASSERT_GT(guardian, 0);
  ::kill(guardian, SIGKILL);
  killed.process().signal(SIGKILL);
  killed.process().wait();
  EXPECT_EQ(filled_slots(hook), 5U);
  EXPECT_THAT(output_of({"-status", rig.hook()}),
              AllOf(HasSubstr(fmt::format("pid {}, ", killed.process().pid())),
                    HasSubstr("its process is dead; xdpcap -detach takes out what it left")));
  EXPECT_EQ(detach({rig.hook()}),
            fmt::format(
                "xdpcap: hook {}: no capture is running on it; removed what killed ones had left\n",
                rig.hook()));
  EXPECT_EQ(filled_slots(hook), 0U);
}

TEST_F(Commands, DetachTakesOutACaptureThatDoesNotLeave) {
  const Rig rig;
  const int hook = rig.target().hook_fd();
  Capture stopped(hook, {"-q", rig.hook(), rig.file("1")});
  ::kill(guardian_of(stopped.process().pid()), SIGSTOP);
  stopped.process().signal(SIGSTOP);
  EXPECT_EQ(detach({rig.hook()}), fmt::format("xdpcap: hook {}: 1 capture ended\n", rig.hook()));
  EXPECT_EQ(filled_slots(hook), 0U);
  ::kill(guardian_of(stopped.process().pid()), SIGCONT);
  stopped.process().signal(SIGCONT);
  const Ended end = stopped.wait(Millis(3'000));
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_THAT(stopped.process().errors(),
              HasSubstr("another process has taken this capture out of the hook"));
}

// Without the right to look, "none" would be a guess.
TEST_F(Commands, DetachDoesNotClaimWhatItCannotKnow) {
  const Rig rig;
  Capture capture(rig.target().hook_fd(), {"-q", rig.hook(), rig.file("1")});
  const auto detach_without = [&] {
    return run({"setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin",
                XDPCAP_COMMAND, "-detach", rig.hook()});
  };
  EXPECT_THAT(detach_without().errors, HasSubstr("1 capture ended"));
  EXPECT_EQ(capture.wait(Millis(2'000)).exit_code, 0);
  const UniqueFd foreign = load_returning(2, TargetOptions().variant, "not_ours");
  ASSERT_TRUE(put_program(rig.target().hook_fd(), 2, foreign.get()).has_value());
  const Outcome outcome = detach_without();
  EXPECT_EQ(outcome.end.exit_code, 1) << outcome.errors;
  EXPECT_THAT(outcome.errors, HasSubstr("CAP_SYS_ADMIN"));
}

// --- -diagnose, which counts for three seconds: all cases at once.

struct Diagnosis {
  std::string what;
  std::vector<std::string> arguments;
  int exit_code;
  std::vector<std::string> said;
};

void expect_diagnoses(const std::vector<Diagnosis>& cases) {
  std::vector<std::unique_ptr<Process>> processes;
  for (const Diagnosis& one : cases) {
    std::vector<std::string> arguments = {"-diagnose", "-q"};
    arguments.insert(arguments.end(), one.arguments.begin(), one.arguments.end());
    processes.push_back(std::make_unique<Process>(xdpcap_command(arguments)));
  }
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].what);
    EXPECT_EQ(processes[i]->wait().exit_code, cases[i].exit_code);
    EXPECT_EQ(processes[i]->errors(), "");
    for (const std::string& line : cases[i].said) {
      EXPECT_THAT(processes[i]->output(), HasSubstr(line));
    }
  }
}

TEST_F(Commands, DiagnoseNamesTheStepThatIsMissing) {
  const Rig rig;
  const Rig idle;
  const UniqueFd lonely = make_hook();
  const std::string lonely_path = rig.pins().pin(lonely.get(), "lonely");
  const UniqueFd left = make_hook();
  const std::string left_path = rig.pins().pin(left.get(), "left");
  std::optional<Target> gone(std::in_place, TargetOptions{.hook_fd = left.get()});
  gone.reset();
  const Target nowhere({.hook_fd = -1});
  const std::string nowhere_path = rig.pins().pin(nowhere.hook_fd(), "nowhere");
  note_bpf_objects(::getpid());
  // Both rigs' interfaces are in namespaces of their own; the commands run where packets come.
  const auto inside = rig.observed().enter();
  std::atomic<bool> is_over = false;
  std::thread sending([&] {
    const PacketSocket socket = rig.sending();
    while (!is_over) {
      socket.send(order_frame(1, 1));
      std::this_thread::sleep_for(Millis(5));
    }
  });
  expect_diagnoses({
      {"all is well",
       {rig.hook()},
       0,
       {"ok  a program owns the hook: one has used it\n", "\"target\"\n",
        "ok  such an interface is up: to_a (up, native)\n", "ok  packets reach the hook: they do\n",
        "\n\npackets that match reach the hook: a capture gets them\n"}},
      {"no owner",
       {lonely_path},
       1,
       {"no  a program owns the hook: none that calls it has been loaded\n",
        "\n\nno program owns the hook: none that calls it has been loaded yet\n"}},
      {"no user any more",
       {left_path},
       1,
       {"no  a program uses the hook: none is loaded\n",
        "\n\nno program uses the hook any more: "}},
      {"on no interface",
       {nowhere_path},
       1,
       {"no  it runs on an interface: on none\n",
        "\"target\" runs on no interface that can be seen\n"}},
      {"elsewhere",
       {idle.hook()},
       1,
       {"ok  it runs on an interface: to_a (up, native, network namespace " +
        idle.observed().name() + ")\n"}},
      {"only other actions",
       {"-actions", "pass,tx", rig.hook()},
       1,
       {"no  their action is XDPPass or XDPTx: only ",
        "\n\npackets reached the hook, but none with action XDPPass or XDPTx, only "}},
      {"none matches",
       {rig.hook(), "greater 1000"},
       1,
       {"no  filter \"greater 1000\" matches them: 0 of ", "      try without the filter\n",
        "filter \"greater 1000\" matched none of "}},
  });
  is_over = true;
  sending.join();
  EXPECT_EQ(filled_slots(rig.target().hook_fd()), 0U);
  EXPECT_EQ(filled_slots(lonely.get()), 0U);
  // Any kind of target may still become the owner.
  const Target owner(
      {.variant = {.expected_attach_type = 37, .multi_buffer = true}, .hook_fd = lonely.get()});
}

TEST_F(Commands, DiagnoseNamesAnInterfaceThatIsDown) {
  const Rig down;
  const Rig quiet;
  note_bpf_objects(::getpid());
  down.observed().run(fmt::format("ip -n {} link set to_a down", down.observed().name()));
  const auto start = [](const Rig& rig) {
    const auto inside = rig.observed().enter();
    return std::make_unique<Process>(xdpcap_command({"-diagnose", rig.hook()}));
  };
  const std::unique_ptr<Process> of_down = start(down);
  const std::unique_ptr<Process> of_quiet = start(quiet);
  EXPECT_EQ(of_down->wait().exit_code, 1);
  EXPECT_THAT(of_down->output(),
              AllOf(HasSubstr("no  such an interface is up: none\n      `ip link set NAME up`"),
                    HasSubstr("runs on no interface that is up, only on to_a (down, native)")));
  EXPECT_EQ(of_quiet->wait().exit_code, 1);
  EXPECT_THAT(of_quiet->output(), AllOf(HasSubstr("no  packets reach the hook: none did\n"),
                                        HasSubstr("no packet reached the hook, although program "),
                                        HasSubstr("\"target\" runs on to_a (up, native); ")));
}

}  // namespace
}  // namespace xdpcap::test
