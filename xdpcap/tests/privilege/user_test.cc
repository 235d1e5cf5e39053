// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/user.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "xdpcap/tests/privilege/child.h"

namespace xdpcap {
namespace {

using test::in_child;

TEST(User, IsFoundByNameAndByNumber) {
  const passwd* const nobody = ::getpwnam("nobody");
  ASSERT_NE(nobody, nullptr);
  const uid_t uid = nobody->pw_uid;
  const gid_t gid = nobody->pw_gid;
  for (const std::string& text : {std::string("nobody"), std::to_string(uid)}) {
    const Result<User> user = find_user(text);
    ASSERT_TRUE(user) << user.error().message;
    EXPECT_EQ(user->name, "nobody");
    EXPECT_EQ(user->uid, uid);
    EXPECT_EQ(user->gid, gid);
    EXPECT_NE(std::ranges::find(user->groups, gid), user->groups.end());
  }
  EXPECT_EQ(find_user("0")->name, "root");
}

TEST(User, ThatIsNoneIsNamed) {
  for (const std::string text :
       {"no such user", "", "4294967295", "-1", "0x0", " 0", "4000000000"}) {
    const Result<User> user = find_user(text);
    ASSERT_FALSE(user) << text;
    EXPECT_EQ(user.error().code, Errc::NotFound);
    EXPECT_EQ(
        user.error().message,
        fmt::format("user \"{}\": there is no such user; name one of this machine, or give the "
                    "number of one",
                    text));
  }
}

TEST(User, IsBecomeWithAllGroups) {
  const User user{.name = "somebody", .uid = 12345, .gid = 23456, .groups = {23456, 34567}};
  EXPECT_EQ(in_child([&] {
              if (const Result<void> changed = change_to(user); !changed) {
                return changed.error().message;
              }
              gid_t groups[8] = {};
              const int count = ::getgroups(8, groups);
              const Result<void> gone = check_no_way_back(user, 0);
              return fmt::format("{} {} {} {} {} {} {}", ::getuid(), ::geteuid(), ::getgid(),
                                 ::getegid(), count, groups[1], gone.has_value());
            }),
            "12345 12345 23456 23456 2 34567 true");
}

TEST(User, CannotBeChangedByEverybody) {
  const User user{.name = "somebody", .uid = 12345, .gid = 23456, .groups = {23456}};
  EXPECT_EQ(in_child([&] {
              EXPECT_EQ(::setresuid(65534, 65534, 65534), 0);
              return change_to(user).error().message;
            }),
            "become user somebody: take its groups: Operation not permitted; that takes root "
            "(CAP_SETUID and CAP_SETGID)");
}

TEST(User, ThatCanGoBackIsNotedAsSuch) {
  const User user{.name = "somebody", .uid = 12345, .gid = 23456, .groups = {23456}};
  EXPECT_EQ(
      in_child([&]() -> std::string {
        // The kernel then leaves the capabilities alone.
        if (::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) != 0 || !change_to(user)) {
          return "not changed";
        }
        return check_no_way_back(user, 0).error().message;
      }),
      "become user somebody: it can go back to user number 0, so nothing was gained");
}

}  // namespace
}  // namespace xdpcap
