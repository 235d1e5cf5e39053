// SPDX-License-Identifier: BSD-3-Clause

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xdpcap/command/xdpcap_option_table.h"

namespace xdpcap::cli {
namespace {

using enum Action;

TEST(ActionList, ParsesLists) {
  struct Case {
    std::string_view list;
    std::vector<Action> actions;
  };
  const std::vector<Case> cases = {
      {"pass", {Pass}},
      {"XDPPass", {Pass}},
      {"XDP_PASS", {Pass}},
      {"xdp_tx", {Tx}},
      {"xdpaborted", {Aborted}},
      {"2", {Pass}},
      {"0,1,2,3,4", {Aborted, Drop, Pass, Tx, Redirect}},
      {"redirect,drop", {Redirect, Drop}},
      {"drop,1,pass,XDP_DROP", {Drop, Pass}},
      {" drop ,\tpass", {Drop, Pass}},
      {"002", {Pass}},
      {"pass, aborted\t,\n3", {Pass, Aborted, Tx}},
      {"0x2,0b1", {Pass, Drop}},
      {"5,pass,0x1F", {action_of(5), Pass, action_of(31)}},
  };
  for (const Case& c : cases) {
    const Result<std::vector<Action>> actions = parse_actions(c.list);
    ASSERT_TRUE(actions.has_value()) << c.list;
    EXPECT_EQ(*actions, c.actions) << c.list;
  }
}

TEST(ActionList, RefusesOtherWords) {
  struct Case {
    std::string_view list;
    std::string_view word;
  };
  for (const Case& c :
       {Case{"", "\"\""}, Case{",", "\"\""}, Case{"pass,", "\"\""}, Case{"pass,,drop", "\"\""},
        Case{"32", "\"32\""}, Case{"0xDE", "\"0xDE\""}, Case{"-1", "\"-1\""},
        Case{"99999999999999999999", "\"99999999999999999999\""}, Case{"2x", "\"2x\""},
        Case{"pas", "\"pas\""}, Case{"passing", "\"passing\""}, Case{"XDP", "\"XDP\""},
        Case{"XDP__PASS", "\"XDP__PASS\""}, Case{"XDP2", "\"XDP2\""},
        Case{"pass drop", "\"pass drop\""}}) {
    const Result<std::vector<Action>> actions = parse_actions(c.list);
    ASSERT_FALSE(actions.has_value()) << c.list;
    EXPECT_EQ(actions.error().code, Errc::InvalidArgument);
    EXPECT_THAT(actions.error().message, testing::HasSubstr(std::string(c.word)));
    EXPECT_THAT(actions.error().message, testing::HasSubstr("redirect (4) and numbers up to 31"));
  }
}

}  // namespace
}  // namespace xdpcap::cli
