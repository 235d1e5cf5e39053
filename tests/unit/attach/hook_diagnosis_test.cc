// SPDX-License-Identifier: BSD-3-Clause
//
// Which reason is given for which facts and numbers.

#include "attach/hook_diagnosis.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xdpcap {
namespace {

using testing::EndsWith;

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
              "has another hook; xdpcap --list shows all"},
          DiagnosisCase{"nowhere",
                        "+++-.......",
                        used_hook({}),
                        kNothing,
                        {},
                        "program 31 \"firewall\" runs on no interface in this network namespace"},
          DiagnosisCase{
              "elsewhere",
              "+++-.......",
              used_hook({}, {3}),
              kNothing,
              {},
              "program 31 \"firewall\" runs on no interface in this network namespace; in another network "
              "namespace a link keeps it on interface number 3"},
          DiagnosisCase{
              "down",
              "++++-......",
              down,
              kNothing,
              {},
              "program 31 \"firewall\" runs on no interface in this network namespace that is up, only on eth1 "
              "(down, native)"},
          DiagnosisCase{
              "no carrier",
              "++++-......",
              used_hook({on(3, "eth1", InterfaceState::NoCarrier)}),
              kNothing,
              {},
              "program 31 \"firewall\" runs on no interface in this network namespace that is up, only on eth1 "
              "(no carrier, native)"},
          DiagnosisCase{
              "nothing came",
              "+++++......",
              up,
              kNothing,
              {},
              "no packet with action XDPDrop and XDPPass reached the hook, although program 31 \"firewall\" runs "
              "on eth0 (up, native)"},
          DiagnosisCase{
              "nothing at all came", "+++++-.....", up, kNothing,
              std::vector<OtherAction>{{Action::Tx, 0}},
              "no packet reached the hook, although program 31 \"firewall\" runs on eth0 (up, native)"},
          DiagnosisCase{
              "two users",
              "+++++......",
              two_users(),
              kNothing,
              {},
              "no packet with action XDPDrop and XDPPass reached the hook, although program 31 \"firewall\" and "
              "program 32 run on eth0 (up, native) and eth1 (up, native, through program 7 \"first\")"},
          DiagnosisCase{
              "unknown users",
              "++.......",
              unknown_users(),
              kNothing,
              {},
              "no packet with action XDPDrop and XDPPass reached the hook; where its program runs is not known: "
              "list the BPF programs: not permitted"},
          DiagnosisCase{
              "unknown facts", ".-.....", fail(Errc::Permission, "look at hook: no"), kNothing,
              std::vector<OtherAction>{},
              "no packet reached the hook; where its program runs is not known: look at hook: no"},
          DiagnosisCase{
              "other actions", "++++++-....", up, kNothing,
              std::vector<OtherAction>{
                  {Action::Tx, 1}, {Action::Aborted, 0}, {Action::Redirect, 70}},
              "packets reached the hook, but only with other actions than XDPDrop and XDPPass: XDPTx (1 packet) "
              "and XDPRedirect (70 packets)"},
          DiagnosisCase{
              "other actions, interface down", "++++.+-....", down, kNothing,
              std::vector<OtherAction>{{Action::Tx, 2}},
              "packets reached the hook, but only with other actions than XDPDrop and XDPPass: XDPTx (2 packets)"},
          DiagnosisCase{
              "no match",
              "+++++++-...",
              up,
              counted({.received = 9}),
              {},
              "9 packets with action XDPDrop and XDPPass reached the hook, and filter \"tcp port 80\" matched "
              "none of them"},
          DiagnosisCase{
              "no match, no users",
              "++-..++-...",
              owned_hook(),
              counted({.received = 1}),
              {},
              "1 packet with action XDPDrop and XDPPass reached the hook, and filter \"tcp port 80\" matched "
              "none of them"},
          DiagnosisCase{
              "all lost",
              "+++++++++-.",
              up,
              counted({.received = 9, .matched = 5, .lost = 5}),
              {},
              "all 5 packets that matched were lost: the ring had no room for them; -buffer makes it larger"},
          DiagnosisCase{"all held back",
                        "++++++++-..",
                        up,
                        counted({.received = 9, .matched = 5, .held_back = 5}),
                        {},
                        "all 5 packets that matched were held back by a limit"},
          DiagnosisCase{
              "some of each",
              "++++++++++-",
              up,
              counted({.received = 9, .matched = 5, .held_back = 3, .lost = 1}),
              {},
              "5 packets matched, of which 3 were held back by a limit, 1 were lost, and none was written"},
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

TEST(HookDiagnosisTest, SentencesStayShort) {
  std::vector<UserInterface> many(5, on(2, "eth0", InterfaceState::Up));
  CaptureSituation situation{
      .facts = used_hook(many), .filter = "", .captured = kNothing, .others = {}};
  EXPECT_THAT(
      why_nothing_was_captured(situation).value(),
      EndsWith("runs on eth0 (up, native), eth0 (up, native), eth0 (up, native) and 2 more"));
  many.pop_back();
  situation.facts = used_hook(many);
  EXPECT_THAT(
      why_nothing_was_captured(situation).value(),
      EndsWith("on eth0 (up, native), eth0 (up, native), eth0 (up, native) and eth0 (up, native)"));
  situation.captured = counted({.received = 9});
  for (const std::string& filter : {std::string(), std::string(101, 'f')}) {
    situation.filter = filter;
    EXPECT_THAT(why_nothing_was_captured(situation).value(),
                EndsWith("and the filter matched none of them"));
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

}  // namespace
}  // namespace xdpcap
