// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/ingress.h"

#include <gtest/gtest.h>

namespace xdpcap {
namespace {

using Interfaces = std::vector<IngressInterface>;

HookFacts facts_of(std::vector<HookUser> users) {
  HookFacts facts;
  facts.users = std::move(users);
  return facts;
}

HookUser user_on(const std::vector<std::pair<std::uint32_t, std::string>>& here,
                 std::vector<std::uint32_t> elsewhere = {}) {
  HookUser user;
  for (const auto& [ifindex, name] : here) {
    UserInterface& interface = user.interfaces.emplace_back();
    interface.ifindex = ifindex;
    interface.name = name;
  }
  user.ifindexes_elsewhere = std::move(elsewhere);
  return user;
}

TEST(Ingress, IsWhereTheUsersOfAHookRun) {
  EXPECT_EQ(ingress_of(facts_of({user_on({{3, "eth1"}, {2, "eth0"}}), user_on({{2, "eth0"}})})),
            (Interfaces{{2, "eth0"}, {3, "eth1"}}));
  EXPECT_EQ(ingress_of(facts_of({user_on({{2, "eth0"}}, {9, 9})})),
            (Interfaces{{2, "eth0"}, {9, ""}}));
  EXPECT_EQ(ingress_of(facts_of({})), Interfaces{});
  HookFacts unknown;
  unknown.users = fail(Errc::Permission, "CAP_SYS_ADMIN");
  EXPECT_EQ(ingress_of(unknown), Interfaces{});
}

TEST(Ingress, OfOneInterfaceNeedsNoComments) {
  EXPECT_EQ(sole_ifindex({{7, "eth0"}}), 7U);
  EXPECT_EQ(sole_ifindex({}), std::nullopt);
  EXPECT_EQ(sole_ifindex({{7, "eth0"}, {8, "eth1"}}), std::nullopt);
  // Two network namespaces may have interfaces of one number.
  EXPECT_EQ(sole_ifindex({{7, "eth0"}, {7, ""}}), std::nullopt);
}

TEST(Ingress, IsDescribedForReadersOfTheFile) {
  EXPECT_EQ(describe_ingress({{7, "eth0"}}),
            "ingress interface index 7 (eth0), unless a packet's comment names another");
  EXPECT_EQ(describe_ingress({{7, ""}}),
            "ingress interface index 7, unless a packet's comment names another");
  EXPECT_EQ(describe_ingress({}), "ingress interface in each packet's comment");
  EXPECT_EQ(describe_ingress({{7, "eth0"}, {9, ""}}),
            "ingress interface in each packet's comment: 7 (eth0), 9");
  EXPECT_EQ(describe_ingress(Interfaces(18, {7, ""})),
            "ingress interface in each packet's comment: 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, "
            "7, 7 and 2 more");
}

}  // namespace
}  // namespace xdpcap
