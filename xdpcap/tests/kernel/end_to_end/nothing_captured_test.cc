// SPDX-License-Identifier: BSD-3-Clause
//
// A capture that has captured nothing for five seconds says why; what the reasons are, the tests of hook_diagnosis.h go through.
//
// A hook without owner cannot be captured from, so that reason is -diagnose's (commands_test.cc); and the first packet that matches
// always finds room in a ring, so that none is "all lost".

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class NothingCaptured : public EndToEndTest {};

struct Silence {
  std::string what;
  const Rig& rig;
  std::vector<std::string> options;
  std::string filter;
  std::string said;  ///< empty: nothing
};

TEST_F(NothingCaptured, SaysWhy) {
  const Rig busy;
  const Rig down;
  const Rig quiet;
  down.observed().run(fmt::format("ip -n {} link set to_a down", down.observed().name()));
  const std::vector<Silence> cases = {
      {"none matches", busy, {}, "greater 1000", "filter \"greater 1000\" matched none of "},
      {"other actions",
       busy,
       {"-actions", "pass"},
       "",
       "packets reached the hook, but none with action XDPPass, only "},
      {"only counted",
       busy,
       {"-count", "-actions", "pass"},
       "",
       "packets reached the hook, but none with action XDPPass, only "},
      {"a limit",
       busy,
       {"-sample", "4294967295"},
       "",
       "every packet that matched was held back by a limit ("},
      {"in memory", busy, {"-ring", "1M"}, "", ""},
      {"there are packets", busy, {}, "", ""},
      {"told not to talk", busy, {"-q"}, "greater 1000", ""},
      {"interface is down",
       down,
       {},
       "",
       " runs on no interface that is up, only on to_a (down, native)"},
      {"no packet", quiet, {}, "", "no packet reached the hook, although program "},
      {"no packet, another user",
       quiet,
       {"-Z", "nobody"},
       "",
       "no packet reached the hook, although program "},
  };
  // Whoever becomes nobody writes where nobody may.
  std::vector<std::unique_ptr<Capture>> captures;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Silence& one = cases[i];
    std::vector<std::string> arguments = one.options;
    arguments.push_back(one.rig.hook());
    if (one.what != "only counted") {
      arguments.push_back(one.options == std::vector<std::string>{"-Z", "nobody"}
                              ? "/dev/null"
                              : one.rig.file(fmt::format("{}", i)));
    }
    if (!one.filter.empty()) {
      arguments.push_back(one.filter);
    }
    const auto inside = one.rig.observed().enter();
    captures.push_back(std::make_unique<Capture>(one.rig.target().hook_fd(), arguments, 1));
  }
  std::atomic<bool> is_over = false;
  std::thread sending([&] {
    const PacketSocket socket = busy.sending();
    while (!is_over) {
      socket.send(order_frame(1, 1));
      std::this_thread::sleep_for(Millis(5));
    }
  });
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].what);
    Process& process = captures[i]->process();
    if (!cases[i].said.empty()) {
      EXPECT_TRUE(becomes_true(
          [&] { return process.errors().find("nothing captured yet") != std::string::npos; },
          Millis(9'000)));
      EXPECT_THAT(process.errors(), HasSubstr(fmt::format("xdpcap: hook {}: nothing captured yet: ",
                                                          cases[i].rig.hook())));
      EXPECT_THAT(process.errors(), HasSubstr(cases[i].said));
    }
  }
  is_over = true;
  sending.join();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].what);
    captures[i]->process().signal(SIGINT);
    EXPECT_EQ(captures[i]->process().wait().exit_code, 0);
    if (cases[i].said.empty()) {
      EXPECT_THAT(captures[i]->process().errors(), Not(HasSubstr("nothing captured")));
    }
  }
  for (const Rig* rig : {&busy, &down, &quiet}) {
    EXPECT_EQ(filled_slots(rig->target().hook_fd()), 0U);
  }
}

// Five seconds would be wasted on what is known before the capture begins.
TEST_F(NothingCaptured, AProgramOnNoInterfaceIsNamedAtOnce) {
  const Rig elsewhere;
  const Target nowhere({});
  const std::string path = elsewhere.pins().pin(nowhere.hook_fd(), "nowhere");
  for (const bool is_quiet : {false, true}) {
    std::vector<std::string> arguments = {path, "/dev/null"};
    if (is_quiet) {
      arguments.insert(arguments.begin(), "-q");
    }
    Capture capture(nowhere.hook_fd(), arguments);
    const auto warning = testing::MatchesRegex(fmt::format(
        "xdpcap: warning: hook {}: program [0-9]+ \"target\" runs on no interface that can "
        "be seen\n.*",
        path));
    if (!is_quiet) {
      EXPECT_TRUE(becomes_true([&] { return !capture.process().errors().empty(); }, Millis(900)));
    }
    EXPECT_THAT(capture.process().errors(), is_quiet ? testing::Matcher<std::string>("") : warning);
    capture.stop();
  }
  // Attached by a link in another network namespace: packets may come there.
  Capture capture(elsewhere.target().hook_fd(), {elsewhere.hook(), "/dev/null"});
  EXPECT_THAT(capture.process().errors(), Not(HasSubstr("warning")));
  capture.stop();
}

}  // namespace
}  // namespace xdpcap::test
