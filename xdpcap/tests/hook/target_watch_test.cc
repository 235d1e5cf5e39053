// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/inspect/target_watch.h"

#include <gtest/gtest.h>

namespace xdpcap {
namespace {

using Targets = std::vector<TargetInterface>;
using Sentences = std::vector<std::string>;
using enum InterfaceState;

TargetInterface place(std::uint32_t ifindex, const std::string& interface, InterfaceState state,
                      std::uint32_t id, const std::string& name = "firewall") {
  return {.ifindex = ifindex,
          .interface = interface,
          .state = state,
          .running_id = id,
          .program = {.id = id, .name = name}};
}

const char* const kNoneIsUp =
    "no interface of this network namespace that is up runs a program that uses the hook; the capture goes on, and "
    "sees packets when one does";

TEST(TargetWatch, SaysWhatIsDifferent) {
  const TargetInterface up = place(3, "eth0", Up, 31);
  const TargetInterface other = place(4, "eth1", Up, 31);
  const struct {
    const char* what;
    Targets before;
    Targets now;
    Sentences said;
    std::vector<std::uint32_t> interfaces = {1, 3, 4};
  } cases[] = {
      {"nothing", {up, other}, {up, other}, {}},
      {"another order", {up, other}, {other, up}, {}},
      {"down", {up}, {place(3, "eth0", Down, 31)}, {"eth0 is down now", kNoneIsUp}},
      {"no carrier",
       {up},
       {place(3, "eth0", NoCarrier, 31)},
       {"eth0 has no carrier now", kNoneIsUp}},
      {"up again", {place(3, "eth0", Down, 31)}, {up}, {"eth0 is up now"}},
      {"one of two down", {up, other}, {place(3, "eth0", Down, 31), other}, {"eth0 is down now"}},
      {"down, as it was not up before",
       {place(3, "eth0", NoCarrier, 31)},
       {place(3, "eth0", Down, 31)},
       {"eth0 is down now"}},
      {"renamed", {up}, {place(3, "wan", Up, 31)}, {"eth0 is called wan now"}},
      {"renamed and down",
       {up},
       {place(3, "wan", Down, 31)},
       {"eth0 is called wan now", "wan is down now", kNoneIsUp}},
      {"deleted",
       {up},
       {},
       {"eth0, which ran program 31 (firewall), is gone: deleted, or moved to another network namespace",
        kNoneIsUp},
       {1}},
      {"detached", {up}, {}, {"eth0 does not run program 31 (firewall) any more", kNoneIsUp}},
      {"replaced",
       {up},
       {place(3, "eth0", Up, 32, "new")},
       {"eth0 runs program 32 (new) now, in place of program 31 (firewall)"}},
      {"replaced, without names",
       {place(3, "eth0", Up, 31, "")},
       {place(3, "eth0", Up, 32, "")},
       {"eth0 runs program 32 now, in place of program 31"}},
      {"first", {}, {up}, {"eth0 runs program 31 (firewall), which uses the hook"}},
      {"one more", {up}, {up, other}, {"eth1 runs program 31 (firewall), which uses the hook"}},
      {"moved",
       {up},
       {other},
       {"eth0 does not run program 31 (firewall) any more",
        "eth1 runs program 31 (firewall), which uses the hook"}},
      {"nobody before and after", {}, {}, {}},
  };
  for (const auto& one : cases) {
    std::vector<Interface> interfaces;
    for (const std::uint32_t ifindex : one.interfaces) {
      interfaces.push_back({.ifindex = ifindex, .name = "any", .state = Up, .xdp = {}});
    }
    EXPECT_EQ(describe_changes(one.before, one.now, interfaces), one.said) << one.what;
  }
}

// As behind a dispatcher, whose programs have one hook.
TEST(TargetWatch, TwoProgramsOnOneInterface) {
  const std::vector<Interface> interfaces = {
      {.ifindex = 3, .name = "eth0", .state = Up, .xdp = {}}};
  const TargetInterface first = place(3, "eth0", Up, 31, "first");
  const TargetInterface second = place(3, "eth0", Up, 32, "second");
  const struct {
    const char* what;
    Targets before;
    Targets now;
    Sentences said;
  } cases[] = {
      {"down",
       {first, second},
       {place(3, "eth0", Down, 31, "first"), place(3, "eth0", Down, 32, "second")},
       {"eth0 is down now", kNoneIsUp}},
      {"one less", {first, second}, {first}, {"eth0 does not run program 32 (second) any more"}},
      {"the other less",
       {first, second},
       {second},
       {"eth0 does not run program 31 (first) any more"}},
      {"one more",
       {first},
       {first, second},
       {"eth0 runs program 32 (second), which uses the hook"}},
      {"one replaced",
       {first, second},
       {first, place(3, "eth0", Up, 33, "third")},
       {"eth0 runs program 33 (third) now, in place of program 32 (second)"}},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(describe_changes(one.before, one.now, interfaces), one.said) << one.what;
  }
}

TEST(TargetWatch, PlacesAreThoseOfAllUsers) {
  const std::vector<HookUser> users = {
      {.program = {.id = 31, .name = "a"},
       .interfaces =
           {{.ifindex = 3, .name = "eth0", .state = Up, .mode = XdpMode::Native, .via = {}},
            {.ifindex = 4,
             .name = "eth1",
             .state = Down,
             .mode = XdpMode::Generic,
             .via = {.id = 40, .name = "dispatcher"}}},
       .ifindexes_elsewhere = {7}},
      {.program = {.id = 32, .name = "b"}, .interfaces = {}, .ifindexes_elsewhere = {}}};
  TargetInterface via = place(4, "eth1", Down, 31, "a");
  via.running_id = 40;
  EXPECT_EQ(target_interfaces(users), (Targets{place(3, "eth0", Up, 31, "a"), via}));
}

}  // namespace
}  // namespace xdpcap
