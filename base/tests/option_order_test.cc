// SPDX-License-Identifier: BSD-3-Clause

#include <gtest/gtest.h>

#include "base/options.h"

namespace xdpcap::cli {
namespace {

using Words = std::vector<std::string>;

TEST(OptionOrder, OptionsComeFirst) {
  bool unused = false;
  const std::vector<Option> table = {
      {.name = "to", .argument = "TARGET", .help = "", .set = into(unused)},
      {.name = "F", .short_name = 'f', .argument = "FILE", .help = "", .set = into(unused)},
      {.name = "explain", .help = "", .set = into(unused)},
      {.name = "o", .argument = "FILE", .help = "", .set = into(unused)},
  };
  const struct {
    Words words;
    Words wanted;
  } cases[] = {
      {{}, {"--"}},
      {{"ip"}, {"--", "ip"}},
      {{"--to", "c", "ip"}, {"--to", "c", "--", "ip"}},
      {{"ip", "--to", "c", "and", "udp"}, {"--to", "c", "--", "ip", "and", "udp"}},
      {{"ip", "--to=c"}, {"--to=c", "--", "ip"}},
      {{"ip", "-explain", "-o", "out"}, {"-explain", "-o", "out", "--", "ip"}},
      {{"ip", "-f", "file"}, {"-f", "file", "--", "ip"}},
      {{"-"}, {"--", "-"}},
      // What is behind "--" is no option, whatever it looks like; an argument may be "--".
      {{"--", "--to", "c"}, {"--", "--to", "c"}},
      {{"-o", "--", "ip"}, {"-o", "--", "--", "ip"}},
      // Unknown ones are options only in front; behind, an expression may have such words.
      {{"--nonsense", "ip"}, {"--nonsense", "--", "ip"}},
      {{"-oout", "ip"}, {"-oout", "--", "ip"}},
      {{"len", "-5", "=", "-1"}, {"--", "len", "-5", "=", "-1"}},
      {{"len", "-", "5", "--expl"}, {"--", "len", "-", "5", "--expl"}},
      // Without its argument, for the message.
      {{"ip", "--to"}, {"--to"}},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(options_first(table, one.words), one.wanted);
  }
}

}  // namespace
}  // namespace xdpcap::cli
