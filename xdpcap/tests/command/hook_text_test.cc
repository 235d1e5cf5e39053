// SPDX-License-Identifier: BSD-3-Clause
//
// Hooks as text and as JSON, whole.

#include "xdpcap/command/hook_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xdpcap::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

HookFacts plain_facts() {
  HookFacts facts;
  facts.map_id = 12;
  facts.name = "xdpcap_hook";
  facts.slots = 5;
  facts.paths = {"/sys/fs/bpf/hook"};
  facts.is_owned = true;
  return facts;
}

UserInterface on(std::uint32_t ifindex, const std::string& name, InterfaceState state, XdpMode mode,
                 const ProgramName& via = {}) {
  return {.ifindex = ifindex, .name = name, .state = state, .mode = mode, .via = via};
}

const HookProof kProof = {.kind = HookProof::Kind::ByName, .found = "its map is called \"x\""};

ListedHook busy_hook() {
  ListedHook hook{.facts = plain_facts(), .proof = kProof, .captures = {}};
  hook.facts.paths.emplace_back("/sys/fs/bpf/second");
  hook.facts.users = std::vector<HookUser>{
      {.program = {.id = 31, .name = "firewall"},
       .interfaces = {on(2, "eth0", InterfaceState::Up, XdpMode::Native),
                      on(3, "eth1", InterfaceState::Down, XdpMode::Generic,
                         {.id = 30, .name = "first"})},
       .ifindexes_elsewhere = {7}},
      {.program = {.id = 32, .name = ""}, .interfaces = {}, .ifindexes_elsewhere = {}}};
  hook.facts.users->front().interfaces.back().network_namespace = "blue";
  hook.facts.holders = {
      {.slot = 2, .program = {.id = 40, .name = "xdpcap_pass"}, .is_capture = true},
      {.slot = 5, .program = {.id = 41, .name = ""}, .is_capture = false}};
  hook.captures = {{.pid = 4242,
                    .user_id = 1000,
                    .command_line = "xdpcap /sys/fs/bpf/hook out.pcapng tcp port 80",
                    .filter = "tcp port 80",
                    .actions = {Action::Drop, Action::Pass},
                    .received = 12,
                    .matched = 7,
                    .state = "capturing"},
                   {.pid = 4243,
                    .user_id = 0,
                    .command_line = "xdpcap /sys/fs/bpf/hook -",
                    .filter = "",
                    .actions = {Action::Pass},
                    .received = 0,
                    .matched = 0,
                    .state = "paused"}};
  return hook;
}

ListedHook without_rights() {
  ListedHook hook{.facts = plain_facts(), .proof = kProof, .captures = {}};
  hook.facts.users = fail(Errc::Permission, "list the BPF programs: not permitted");
  return hook;
}

ListedHook unpinned() {
  ListedHook hook{.facts = plain_facts(), .proof = kProof, .captures = {}};
  hook.facts.paths.clear();
  return hook;
}

ListedHook unowned() {
  ListedHook hook{.facts = plain_facts(), .proof = kProof, .captures = {}};
  hook.facts.is_owned = false;
  hook.facts.slots = 1;
  return hook;
}

TEST(HookText, SaysWhatIsKnown) {
  EXPECT_EQ(hooks_text(std::vector{busy_hook(), without_rights(), unpinned(), unowned()}),
            R"(/sys/fs/bpf/hook
  map       12 "xdpcap_hook", 5 slots
  also at   /sys/fs/bpf/second
  program   31 "firewall"
              on eth0 (up, native)
              on eth1 (down, generic), network namespace blue, through program 30 "first"
              on interface number 7 of a network namespace that cannot be seen
  program   32
              on no interface that can be seen
  capture   pid 4242, user 1000: xdpcap /sys/fs/bpf/hook out.pcapng tcp port 80
              tcp port 80; XDPDrop, XDPPass
              12 received, 7 matched; capturing
  capture   pid 4243, user 0: xdpcap /sys/fs/bpf/hook -
              every packet; XDPPass
              0 received, 0 matched; paused
  slot      2 XDPPass: program 40 "xdpcap_pass", of a capture
  slot      5: program 41

/sys/fs/bpf/hook
  map       12 "xdpcap_hook", 5 slots
  program   not known: list the BPF programs: not permitted
  capture   none

map 12, not pinned
  map       12 "xdpcap_hook", 5 slots
  to do     pin it, to capture from it: bpftool map pin id 12 /sys/fs/bpf/NAME
  program   none any more: the one that used it was unloaded
  capture   none

/sys/fs/bpf/hook
  map       12 "xdpcap_hook", 1 slot
  program   none: until one that calls this hook is loaded, no capture can enter
  capture   none
)");
  EXPECT_EQ(hooks_text({}), "");
}

TEST(HookText, CapturesOfOthersAreNotDenied) {
  ListedHook hook = busy_hook();
  hook.captures.clear();
  EXPECT_THAT(hooks_text(std::vector{hook}), HasSubstr("capture   none of this user\n"));
  hook.facts.holders = {{.slot = 2, .program = {.id = 40, .name = "other"}, .is_capture = false}};
  EXPECT_THAT(hooks_text(std::vector{hook}), HasSubstr("capture   none\n"));
  hook.captures = busy_hook().captures;
  hook.captures_unknown = "directory /sys/fs/bpf/hook-xdpcap-0: it belongs to user 7";
  EXPECT_THAT(hooks_text(std::vector{hook}),
              AllOf(HasSubstr("capture   pid 4242"),
                    HasSubstr("capture   not known: directory /sys/fs/bpf/hook-xdpcap-0: it ")));
  EXPECT_THAT(hooks_json(std::vector{hook}),
              HasSubstr(R"("captures_unknown":"directory /sys/fs/bpf/hook-xdpcap-0: it )"));
}

TEST(HookText, AProgramArrayThatIsNoHookGetsNoAdvice) {
  ListedHook array = busy_hook();
  array.proof = {.kind = HookProof::Kind::Refuted, .found = "program 31 returns 2"};
  array.captures.clear();
  array.facts.users->resize(1);
  array.facts.users->front().interfaces.clear();
  array.facts.users->front().ifindexes_elsewhere.clear();
  ListedHook unused = unpinned();
  unused.proof = {.kind = HookProof::Kind::NotShown, .found = "no program"};
  ListedHook untouched = unowned();
  untouched.proof = unused.proof;
  EXPECT_EQ(hooks_text(std::vector{array, unused, untouched}),
            R"(/sys/fs/bpf/hook: program array, not a hook
  because   program 31 returns 2
  map       12 "xdpcap_hook", 5 slots
  also at   /sys/fs/bpf/second
  program   31 "firewall"
              on no interface that can be seen
  slot      2: program 40 "xdpcap_pass", of a capture
  slot      5: program 41

map 12, not pinned: program array, not a hook
  because   no program
  map       12 "xdpcap_hook", 5 slots
  program   none any more: the one that used it was unloaded

/sys/fs/bpf/hook: program array, not a hook
  because   no program
  map       12 "xdpcap_hook", 1 slot
)");
}

TEST(HookText, WhatMayNotBeLookedAtIsNotSaidToBeNoHook) {
  ListedHook array = without_rights();
  array.proof = {.kind = HookProof::Kind::NotShown, .found = "not permitted"};
  EXPECT_THAT(
      hooks_text(std::vector{array}),
      testing::StartsWith("/sys/fs/bpf/hook: program array; whether it is a hook is not known\n"
                          "  because   not permitted\n"));
}

TEST(HookText, LongListsEnd) {
  ListedHook hook = busy_hook();
  hook.facts.paths.assign(kMostListed + 3, "/p");
  hook.facts.users->front().interfaces.assign(kMostListed + 3,
                                              on(2, "e", InterfaceState::Up, XdpMode::Native));
  hook.facts.holders.assign(kMostListed + 5, hook.facts.holders.back());
  hook.captures.assign(kMostListed + 6, hook.captures.back());
  const std::string text = hooks_text(std::vector{hook});
  EXPECT_THAT(text, HasSubstr("\n  also at   and 2 more\n"));
  EXPECT_THAT(text, HasSubstr("\n            and 3 more\n"));
  EXPECT_THAT(text, HasSubstr("\n  slot      and 5 more\n"));
  EXPECT_THAT(text, HasSubstr("\n  capture   and 6 more\n"));
  hook.facts.users->assign(kMostListed + 4, hook.facts.users->back());
  EXPECT_THAT(hooks_text(std::vector{hook}), HasSubstr("\n  program   and 4 more\n"));
  hook.facts.holders.resize(kMostListed);
  EXPECT_THAT(hooks_text(std::vector{hook}), Not(HasSubstr("slot      and")));
}

TEST(HookText, LongTextsEndBetweenCharacters) {
  ListedHook hook = busy_hook();
  hook.captures.resize(1);
  hook.captures.front().command_line = std::string(kMostTextBytes - 1, 'c') + "\xc3\xa4";
  hook.captures.front().filter = std::string(kMostTextBytes, 'f');
  const std::string text = hooks_text(std::vector{hook});
  EXPECT_THAT(text, HasSubstr(": " + std::string(kMostTextBytes - 1, 'c') + "...\n"));
  EXPECT_THAT(text, HasSubstr(" " + std::string(kMostTextBytes, 'f') + "; XDPDrop"));
}

TEST(HookText, NamesCannotDriveATerminal) {
  ListedHook hook = busy_hook();
  // Escape, the 8-bit CSI as a byte and as UTF-8, right to left, and a newline.
  const std::string bad =
      "a\x1b[2J\x9b"
      "2J\xc2\x9b"
      "2J\xe2\x80\xae\nb";
  hook.facts.name = bad;
  hook.facts.paths = {bad, bad};
  for (HookUser& user : *hook.facts.users) {
    user.program.name = bad;
    for (UserInterface& interface : user.interfaces) {
      interface.name = bad;
      interface.network_namespace = bad;
      interface.via = {.id = 1, .name = bad};
    }
  }
  hook.facts.holders.front().program.name = bad;
  hook.captures.resize(1);
  hook.captures.front().command_line = bad;
  hook.captures.front().filter = bad;
  hook.captures.front().state = bad;
  ListedHook unknown = without_rights();
  unknown.facts.users.error().message = bad;
  const std::string text = hooks_text(std::vector{hook, unknown}) +
                           checks_text(std::vector{HookCheck{CheckResult::Ok, bad, bad, bad}});
  const std::string json = hooks_json(std::vector{hook, unknown});
  for (const char* obeyed : {"\x1b", "\x9b", "\xe2\x80\xae", "\nb"}) {
    EXPECT_THAT(text, Not(HasSubstr(obeyed)));
    EXPECT_THAT(json, Not(HasSubstr(obeyed)));
  }
}

TEST(HookText, Json) {
  EXPECT_EQ(
      hooks_json(std::vector{busy_hook(), without_rights()}),
      R"({"map_id":12,"name":"xdpcap_hook","slots":5,"paths":["/sys/fs/bpf/hook","/sys/fs/bpf/second"],"is_owned":true,)"
      R"("is_hook":true,"is_hook_because":"its map is called \"x\"",)"
      R"("users":[{"program_id":31,"program_name":"firewall","interfaces":[)"
      R"({"ifindex":2,"name":"eth0","state":"up","mode":"native","network_namespace":"","via":null},)"
      R"({"ifindex":3,"name":"eth1","state":"down","mode":"generic","network_namespace":"blue","via":{"program_id":30,"program_name":"first"}}],)"
      R"("ifindexes_elsewhere":[7]},)"
      R"({"program_id":32,"program_name":"","interfaces":[],"ifindexes_elsewhere":[]}],"users_unknown":null,)"
      R"("holders":[{"slot":2,"action":"XDPPass","program_id":40,"program_name":"xdpcap_pass","is_capture":true},)"
      R"({"slot":5,"action":null,"program_id":41,"program_name":"","is_capture":false}],)"
      R"("captures":[{"pid":4242,"user_id":1000,"command_line":"xdpcap /sys/fs/bpf/hook out.pcapng tcp port 80",)"
      R"("filter":"tcp port 80","actions":["XDPDrop","XDPPass"],"received":12,"matched":7,"state":"capturing"},)"
      R"({"pid":4243,"user_id":0,"command_line":"xdpcap /sys/fs/bpf/hook -","filter":"","actions":["XDPPass"],)"
      R"("received":0,"matched":0,"state":"paused"}],"captures_unknown":null})"
      "\n"
      R"({"map_id":12,"name":"xdpcap_hook","slots":5,"paths":["/sys/fs/bpf/hook"],"is_owned":true,)"
      R"("is_hook":true,"is_hook_because":"its map is called \"x\"","users":null,)"
      R"("users_unknown":"list the BPF programs: not permitted","holders":[],"captures":[],"captures_unknown":null})"
      "\n");
  EXPECT_EQ(hooks_json({}), "");
}

TEST(HookText, Checks) {
  HookFacts facts = plain_facts();
  facts.users =
      std::vector<HookUser>{{.program = {.id = 31, .name = "firewall"},
                             .interfaces = {on(3, "eth1", InterfaceState::Down, XdpMode::Native)},
                             .ifindexes_elsewhere = {}}};
  EXPECT_EQ(
      checks_text(check_hook({.facts = facts,
                              .filter = "tcp port 80",
                              .captured = {{.action = Action::Drop}, {.action = Action::Pass}},
                              .others = {}})),
      R"(ok  the hook is pinned: at /sys/fs/bpf/hook
ok  a program owns the hook: one has used it
ok  a program uses the hook: program 31 "firewall"
ok  it runs on an interface: eth1 (down, native)
no  such an interface is up: none
      `ip link set NAME up`; without carrier, look at the other end
?   packets reach the hook: none with a captured action did; others are not counted
      send traffic; packets that the program returns without xdpcap_exit() do not reach the hook
?   their action is XDPDrop or XDPPass: no packet came this far
?   filter "tcp port 80" matches them: no packet came this far
?   limits let them through: no packet came this far
?   the ring has room for them: no packet came this far
?   they are written: no packet came this far
)");
}

}  // namespace
}  // namespace xdpcap::cli
