// SPDX-License-Identifier: BSD-3-Clause
//
// Which reason is given for which facts and numbers.

#include "xdpcap/inspect/hook_diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace xdpcap {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

HookFacts owned_hook() {
  HookFacts facts;
  facts.map_id = 12;
  facts.slots = 5;
  facts.paths = {"/sys/fs/bpf/hook"};
  facts.is_owned = true;
  return facts;
}

UserInterface on(std::uint32_t ifindex, const std::string& name, InterfaceState state,
                 const ProgramName& via = {}) {
  return {.ifindex = ifindex, .name = name, .state = state, .mode = XdpMode::Native, .via = via};
}

HookFacts used_hook(const std::vector<UserInterface>& interfaces,
                    const std::vector<std::uint32_t>& elsewhere = {}) {
  HookFacts facts = owned_hook();
  facts.users = std::vector<HookUser>{{.program = {.id = 31, .name = "firewall"},
                                       .interfaces = interfaces,
                                       .ifindexes_elsewhere = elsewhere}};
  return facts;
}

HookFacts unowned_hook() {
  HookFacts facts = owned_hook();
  facts.is_owned = false;
  return facts;
}

HookFacts unknown_users() {
  HookFacts facts = owned_hook();
  facts.users = fail(Errc::Permission, "list the BPF programs: not permitted");
  return facts;
}

HookFacts two_users() {
  HookFacts facts = used_hook({on(2, "eth0", InterfaceState::Up)});
  facts.users->push_back(
      {.program = {.id = 32, .name = ""},
       .interfaces = {on(3, "eth1", InterfaceState::Up, {.id = 7, .name = "first"})},
       .ifindexes_elsewhere = {}});
  return facts;
}

const std::string kUnseen =
    "; packets that the program returns without xdpcap_exit() do not reach the hook";

const std::vector<CapturedAction> kNothing = {{.action = Action::Drop}, {.action = Action::Pass}};

std::vector<CapturedAction> counted(const CapturedAction& pass) {
  std::vector<CapturedAction> captured = kNothing;
  captured[1] = pass;
  captured[1].action = Action::Pass;
  return captured;
}

struct DiagnosisCase {
  std::string name;
  std::string checks;  ///< the results of all: + ok, - no, . unknown
  Result<HookFacts> facts;
  std::vector<CapturedAction> captured;
  std::optional<std::vector<OtherAction>> others;
  std::string reason;  ///< empty: something was captured
};

std::string results_of(const std::vector<HookCheck>& checks) {
  std::string results;
  for (const HookCheck& check : checks) {
    results += check.result == CheckResult::Ok ? '+' : check.result == CheckResult::No ? '-' : '.';
  }
  return results;
}

TEST(HookDiagnosisTest, FindsTheStepThatIsMissing) {
  const HookFacts up =
      used_hook({on(2, "eth0", InterfaceState::Up), on(3, "eth1", InterfaceState::Down)});
  const HookFacts down = used_hook({on(3, "eth1", InterfaceState::Down)});
  for (
      const DiagnosisCase& c : {
          DiagnosisCase{"no owner",
                        "+--........",
                        unowned_hook(),
                        kNothing,
                        {},
                        "no program owns the hook: none that calls it has been loaded yet"},
          DiagnosisCase{
              "no owner any more",
              "++-........",
              owned_hook(),
              kNothing,
              {},
              "no program uses the hook any more: the one that did was unloaded, and if it was loaded again, it "
              "has another hook; xdpcap -list shows all"},
          DiagnosisCase{"nowhere",
                        "+++-.......",
                        used_hook({}),
                        kNothing,
                        {},
                        "program 31 \"firewall\" runs on no interface that can be seen"},
          DiagnosisCase{
              "elsewhere",
              "+++-.......",
              used_hook({}, {3}),
              kNothing,
              {},
              "program 31 \"firewall\" runs on no interface that can be seen; in a network namespace that "
              "cannot be seen a link keeps it on interface number 3"},
          DiagnosisCase{"down",
                        "++++-......",
                        down,
                        kNothing,
                        {},
                        "program 31 \"firewall\" runs on no interface that is up, only on eth1 "
                        "(down, native)"},
          DiagnosisCase{"no carrier",
                        "++++-......",
                        used_hook({on(3, "eth1", InterfaceState::NoCarrier)}),
                        kNothing,
                        {},
                        "program 31 \"firewall\" runs on no interface that is up, only on eth1 "
                        "(no carrier, native)"},
          DiagnosisCase{
              "nothing came",
              "+++++......",
              up,
              kNothing,
              {},
              "no packet with action XDPDrop or XDPPass reached the hook, although program 31 \"firewall\" runs "
              "on eth0 (up, native)" +
                  kUnseen},
          DiagnosisCase{
              "nothing at all came", "+++++-.....", up, kNothing,
              std::vector<OtherAction>{{Action::Tx, 0}},
              "no packet reached the hook, although program 31 \"firewall\" runs on eth0 (up, native)" +
                  kUnseen},
          DiagnosisCase{
              "two users",
              "+++++......",
              two_users(),
              kNothing,
              {},
              "no packet with action XDPDrop or XDPPass reached the hook, although program 31 \"firewall\" and "
              "program 32 run on eth0 (up, native) and eth1 (up, native, through program 7 \"first\")" +
                  kUnseen},
          DiagnosisCase{
              "unknown users",
              "++.......",
              unknown_users(),
              kNothing,
              {},
              "no packet with action XDPDrop or XDPPass reached the hook; where its program runs is not known: "
              "list the BPF programs: not permitted"},
          DiagnosisCase{
              "unknown facts", ".-.....", fail(Errc::Permission, "look at hook: no"), kNothing,
              std::vector<OtherAction>{},
              "no packet reached the hook; where its program runs is not known: look at hook: no"},
          DiagnosisCase{
              "other actions", "++++++-....", up, kNothing,
              std::vector<OtherAction>{
                  {Action::Tx, 1}, {Action::Aborted, 0}, {Action::Redirect, 70}},
              "packets reached the hook, but none with action XDPDrop or XDPPass, only 1 XDPTx and 70 XDPRedirect" +
                  kUnseen},
          DiagnosisCase{
              "other actions, interface down", "++++.+-....", down, kNothing,
              std::vector<OtherAction>{{Action::Tx, 2}},
              "packets reached the hook, but none with action XDPDrop or XDPPass, only 2 XDPTx" +
                  kUnseen},
          DiagnosisCase{
              "no match",
              "+++++++-...",
              up,
              counted({.received = 9}),
              {},
              "filter \"tcp port 80\" matched none of 9 packets that reached the hook: 9 XDPPass; "
              "packets that the program returns without xdpcap_exit() do not reach the hook"},
          DiagnosisCase{
              "no match, no users",
              "++-..++-...",
              owned_hook(),
              counted({.received = 1}),
              {},
              "filter \"tcp port 80\" matched none of 1 packet that reached the hook: 1 XDPPass; "
              "packets that the program returns without xdpcap_exit() do not reach the hook"},
          DiagnosisCase{
              "all lost",
              "+++++++++-.",
              up,
              counted({.received = 9, .matched = 5, .lost = 5}),
              {},
              "every packet that matched was lost (5): the ring had no room for them; -buffer makes it larger"},
          DiagnosisCase{"all held back",
                        "++++++++-..",
                        up,
                        counted({.received = 9, .matched = 5, .held_back = 5}),
                        {},
                        "every packet that matched was held back by a limit (5)"},
          DiagnosisCase{"some of each",
                        "++++++++++-",
                        up,
                        counted({.received = 9, .matched = 5, .held_back = 3, .lost = 1}),
                        {},
                        "5 packets matched: 3 held back by a limit, 1 lost, none written"},
          DiagnosisCase{
              "captured",
              "+++++++++++",
              up,
              counted({.received = 9, .matched = 5, .held_back = 2, .written = 1, .lost = 2}),
              {},
              ""},
      }) {
    const CaptureSituation situation{
        .facts = c.facts, .filter = "tcp port 80", .captured = c.captured, .others = c.others};
    EXPECT_EQ(why_nothing_was_captured(situation).value_or(""), c.reason) << c.name;
    EXPECT_EQ(results_of(check_hook(situation)), c.checks) << c.name;
  }
}

// Not one of these packets was aborted, and none of the five names is left out.
TEST(HookDiagnosisTest, CountsAreOfTheActionsThatOccurred) {
  const HookFacts up = used_hook({on(2, "eth0", InterfaceState::Up)});
  std::vector<CapturedAction> all;
  for (const Action action : kActions) {
    all.push_back({.action = action, .received = 2U * index(action)});
  }
  const auto reason = [&](const std::vector<CapturedAction>& captured,
                          const std::vector<OtherAction>& others) {
    return why_nothing_was_captured(
               {.facts = up, .filter = "icmp", .captured = captured, .others = others})
        .value();
  };
  EXPECT_THAT(
      reason(all, {}),
      StartsWith(
          "filter \"icmp\" matched none of 20 packets that reached the hook: 2 XDPDrop, 4 XDPPass, 6 XDPTx and 8 "
          "XDPRedirect; "));
  std::vector<OtherAction> others;
  for (const Action action : kActions) {
    others.push_back({.action = action, .received = 1});
  }
  EXPECT_THAT(reason(kNothing, others),
              HasSubstr("only 1 XDPAborted, 1 XDPDrop, 1 XDPPass, 1 XDPTx and 1 XDPRedirect;"));
  EXPECT_THAT(reason({{.action = Action::Aborted},
                      {.action = Action::Drop},
                      {.action = Action::Pass},
                      {.action = Action::Tx},
                      {.action = Action::Redirect}},
                     {}),
              StartsWith("no packet reached the hook, although "));
}

// A program that drops with a plain return: its other actions are seen, its drops are not.
TEST(HookDiagnosisTest, AnActionWithoutPacketsIsNamed) {
  const auto found = [](const std::vector<CapturedAction>& captured) {
    for (const HookCheck& check :
         check_hook({.facts = used_hook({on(2, "eth0", InterfaceState::Up)}),
                     .filter = "",
                     .captured = captured,
                     .others = std::vector<OtherAction>()})) {
      if (check.looked_at.starts_with("their action is")) {
        return check.found;
      }
    }
    return std::string();
  };
  EXPECT_EQ(
      found(counted({.received = 9})),
      "9 XDPPass; none with XDPDrop: packets that the program returns without xdpcap_exit() do not reach the "
      "hook");
  EXPECT_EQ(
      found({{.action = Action::Drop, .received = 1}, {.action = Action::Pass, .received = 2}}),
      "1 XDPDrop and 2 XDPPass");
}

TEST(HookDiagnosisTest, FactsAloneTellWhatNoPacketComesPast) {
  EXPECT_EQ(certain_obstacle(used_hook({on(2, "eth0", InterfaceState::Up)})), "");
  EXPECT_EQ(certain_obstacle(unknown_users()), "");
  EXPECT_EQ(certain_obstacle(used_hook({}, {3})), "") << "packets may come there";
  EXPECT_EQ(certain_obstacle(used_hook({})),
            "program 31 \"firewall\" runs on no interface that can be seen");
  EXPECT_THAT(certain_obstacle(used_hook({on(3, "eth1", InterfaceState::Down)})),
              HasSubstr("no interface that is up"));
  EXPECT_THAT(certain_obstacle(owned_hook()), HasSubstr("no program uses the hook any more"));
}

TEST(HookDiagnosisTest, SentencesStayShort) {
  std::vector<UserInterface> many(5, on(2, "eth0", InterfaceState::Up));
  CaptureSituation situation{
      .facts = used_hook(many), .filter = "", .captured = kNothing, .others = {}};
  EXPECT_THAT(
      why_nothing_was_captured(situation).value(),
      HasSubstr("runs on eth0 (up, native), eth0 (up, native), eth0 (up, native) and 2 more;"));
  many.pop_back();
  situation.facts = used_hook(many);
  EXPECT_THAT(
      why_nothing_was_captured(situation).value(),
      HasSubstr(
          "on eth0 (up, native), eth0 (up, native), eth0 (up, native) and eth0 (up, native);"));
  situation.captured = counted({.received = 9});
  for (const std::string& filter : {std::string(), std::string(101, 'f')}) {
    situation.filter = filter;
    EXPECT_THAT(why_nothing_was_captured(situation).value(),
                StartsWith("the filter matched none of "));
  }
}

TEST(HookDiagnosisTest, AdviceIsGivenWhereSomethingIsToBeDone) {
  for (const std::vector<CapturedAction>& captured :
       {kNothing, counted({.received = 9}), counted({.received = 9, .matched = 5, .lost = 5}),
        counted({.received = 9, .matched = 5, .written = 5})}) {
    for (const HookFacts& facts : {unowned_hook(), owned_hook(), used_hook({})}) {
      for (const HookCheck& check : check_hook({.facts = facts,
                                                .filter = "",
                                                .captured = captured,
                                                .others = std::vector<OtherAction>()})) {
        EXPECT_EQ(check.advice.empty(), check.result != CheckResult::No) << check.looked_at;
      }
    }
  }
}

TEST(HookDiagnosisTest, SaysWhatToDoAboutAnArrayThatIsNotShownToBeAHook) {
  using Kind = HookProof::Kind;
  const auto advice = [](Kind kind) {
    CaptureSituation situation{.facts = used_hook({on(2, "eth0", InterfaceState::Up)}),
                               .filter = "",
                               .captured = {},
                               .others = {}};
    situation.proof = HookProof{.kind = kind, .found = "why"};
    situation.is_counted = false;
    const std::vector<HookCheck> checks = check_hook(situation);
    const auto check =
        std::ranges::find(checks, "the program array is a hook", &HookCheck::looked_at);
    return check == checks.end() ? "no such check" : check->advice;
  };
  EXPECT_EQ(advice(Kind::ByInstructions), "");
  EXPECT_EQ(advice(Kind::ByName), "");
  EXPECT_EQ(
      advice(Kind::NotShown),
      "if you know that it is one, use -force, or give its map a name that begins with \"xdpcap\"");
  // The name does not help against what a program does.
  EXPECT_EQ(
      advice(Kind::Refuted),
      "a capture would change what happens to packets; xdpcap -list shows the hooks of this machine");
}

}  // namespace
}  // namespace xdpcap
