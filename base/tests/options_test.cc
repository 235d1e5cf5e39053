// SPDX-License-Identifier: BSD-3-Clause

#include "base/options.h"

#include <gtest/gtest.h>

#include "base/numbers.h"
#include "base/tests/arguments.h"

namespace xdpcap::cli {
namespace {

using cbpfc::Result;
using test::Arguments;

struct Values {
  bool q = false;
  bool wait = false;
  std::string actions;
  std::uint64_t snaplen = 0;
};

std::vector<Option> make_table(Values& values) {
  return {
      {.name = "q", .help = "quiet", .set = into(values.q)},
      {.name = "wait", .help = "wait", .set = into(values.wait)},
      {.name = "actions",
       .argument = "LIST",
       .help = "first line\nsecond line",
       .set = [&values](std::string_view text) -> Result<void> {
         values.actions = text;
         return {};
       }},
      {.name = "snaplen",
       .short_name = 's',
       .argument = "BYTES",
       .help = "snap",
       .set = [&values](std::string_view text) -> Result<void> {
         values.snaplen = TRY(parse_number(text, 1, 65535));
         return {};
       }},
      {.name = "watermark",
       .argument = "BYTES",
       .help = "mark",
       .set = [](std::string_view) -> Result<void> { return {}; }},
  };
}

TEST(Options, AcceptsEverySpelling) {
  struct Case {
    Arguments arguments;
    bool q;
    const char* actions;
    std::uint64_t snaplen;
    std::vector<std::string> operands;
  };
  Case cases[] = {
      {{"a", "b"}, false, "", 0, {"a", "b"}},
      {{"-q", "a"}, true, "", 0, {"a"}},
      {{"--q", "a"}, true, "", 0, {"a"}},
      {{"-q=true"}, true, "", 0, {}},
      {{"-q", "-q=false"}, false, "", 0, {}},
      {{"--q=0"}, false, "", 0, {}},
      {{"-actions", "x,y", "a"}, false, "x,y", 0, {"a"}},
      {{"--actions", "x,y", "a"}, false, "x,y", 0, {"a"}},
      {{"-actions=x,y", "a"}, false, "x,y", 0, {"a"}},
      {{"--actions=x=y"}, false, "x=y", 0, {}},
      {{"-actions="}, false, "", 0, {}},
      {{"-actions", "-q"}, false, "-q", 0, {}},
      {{"-s", "96"}, false, "", 96, {}},
      {{"-s96"}, false, "", 96, {}},
      {{"-s=96"}, false, "", 96, {}},
      {{"-snaplen", "96"}, false, "", 96, {}},
      {{"--snaplen=96"}, false, "", 96, {}},
      {{"a", "-q"}, false, "", 0, {"a", "-q"}},
      {{"-", "-q"}, false, "", 0, {"-", "-q"}},
      {{"-q", "--", "-q"}, true, "", 0, {"-q"}},
      {{}, false, "", 0, {}},
  };
  for (Case& one : cases) {
    Values values;
    const Result<std::vector<std::string>> operands =
        parse_options(make_table(values), one.arguments.argc(), one.arguments.argv());
    const std::string text = testing::PrintToString(std::vector<std::string>(
        one.arguments.argv(), one.arguments.argv() + one.arguments.argc()));
    ASSERT_TRUE(operands) << text << operands.error().message;
    EXPECT_EQ(values.q, one.q) << text;
    EXPECT_EQ(values.actions, one.actions) << text;
    EXPECT_EQ(values.snaplen, one.snaplen) << text;
    EXPECT_EQ(*operands, one.operands) << text;
  }
}

TEST(Options, RefusesAndNamesTheOption) {
  struct Case {
    Arguments arguments;
    const char* message;
  };
  Case cases[] = {
      {{"-x"}, "unknown option -x"},
      {{"--nonsense=5"}, "unknown option --nonsense=5"},
      {{"-q", "-x", "a"}, "unknown option -x"},
      {{"-act", "x"}, "unknown option -act"},
      {{"--wai"}, "unknown option --wai"},
      {{"-w"}, "unknown option -w"},
      {{"-qx"}, "unknown option -qx"},
      {{"-actions"}, "option -actions needs an argument"},
      {{"--actions"}, "option -actions needs an argument"},
      {{"-s"}, "option -s needs an argument"},
      {{"-q=maybe"}, "option -q: \"maybe\" is neither true nor false"},
      {{"-q="}, "option -q: \"\" is neither true nor false"},
      {{"-s", "-5"}, "option -snaplen: \"-5\" is not a number from 1 to 65535"},
      {{"--snaplen=0"}, "option -snaplen: 0 is out of range, must be from 1 to 65535"},
  };
  for (Case& one : cases) {
    Values values;
    const Result<std::vector<std::string>> operands =
        parse_options(make_table(values), one.arguments.argc(), one.arguments.argv());
    ASSERT_FALSE(operands) << one.message;
    EXPECT_EQ(operands.error().message, one.message);
  }
}

TEST(Options, HelpHasEveryRow) {
  Values values;
  EXPECT_EQ(options_help(make_table(values)),
            "  -q                      quiet\n"
            "  -wait                   wait\n"
            "  -actions LIST           first line\n"
            "                          second line\n"
            "  -s, -snaplen BYTES      snap\n"
            "  -watermark BYTES        mark\n");
}

}  // namespace
}  // namespace xdpcap::cli
