// SPDX-License-Identifier: BSD-3-Clause

#include "bench/programs/lists.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "bench/compiler/build_times.h"
#include "bench/programs/filter_list.h"

namespace bench {
namespace {

TEST(Lists, HalfOfTheKeysMatch) {
  std::set<std::string> names;
  for (const List& list : make_lists()) {
    SCOPED_TRACE(list.name());
    names.insert(list.name());
    if (list.is_raw) {
      continue;  // the same with longer programs
    }
    const auto filter = classic_filter(list.expression);
    ASSERT_TRUE(filter) << filter.error().message;
    const auto matching = matching_keys(list, *filter);
    ASSERT_TRUE(matching) << matching.error().message;
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(*matching, true)), kKeys / 2);
  }
  for (const char* name :
       {"16 hosts", "64 nets", "256 ports", "256 hosts, raw", "1000 hosts, raw"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(Lists, ARunDrawsAsManyKeysAsItHasLoops) {
  const List list = make_lists().front();
  const std::vector<bool> all(kKeys, true);
  EXPECT_EQ(matches_of_run(list, all, 1), static_cast<std::uint32_t>(list.varying.loops));
  EXPECT_EQ(matches_of_run(list, std::vector<bool>(kKeys, false), 1), 0U);
}

/// By hand: 1 ^ 1 << 13 = 0x2001; ^ 0x2001 >> 7 = 0x2041; ^ 0x2041 << 17 = 0x40822041.
TEST(Lists, TheGeneratorIsXorshift) {
  EXPECT_EQ(next_random(1), 0x40822041U);
}

}  // namespace
}  // namespace bench
