// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/xdpcap_options.h"

#include <gtest/gtest.h>

#include "base/tests/arguments.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/program/filter_code.h"
#include "xdpcap/program/shared_ring.h"

namespace xdpcap {
namespace {

using test::Arguments;

constexpr MachineLimits kTwoCpus{.cpus = 2, .memory_bytes = 8ULL << 30U};

Result<XdpcapOptions> parse(const std::vector<std::string>& words,
                            const MachineLimits& limits = kTwoCpus) {
  Arguments arguments(words);
  return parse_xdpcap_options(arguments.argc(), arguments.argv(), limits);
}

TEST(XdpcapOptions, Defaults) {
  const Result<XdpcapOptions> options = parse({"/hook", "file.pcap"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->hook_path, "/hook");
  EXPECT_EQ(options->output, "file.pcap");
  EXPECT_EQ(options->filter, "");
  EXPECT_FALSE(options->actions);
  EXPECT_EQ(options->ring_bytes, 4U << 20U);
  EXPECT_EQ(options->watermark_bytes, 256U << 10U);
  EXPECT_EQ(options->snaplen_bytes, 65535U);
  EXPECT_EQ(options->link_type.dlt, 1);
  EXPECT_FALSE(options->flush || options->quiet || options->verbose || options->wait);
}

TEST(XdpcapOptions, StandardOutputImpliesQuietAndFlush) {
  const Result<XdpcapOptions> options = parse({"/hook", "-", "udp", "port", "53"});
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->is_to_stdout());
  EXPECT_TRUE(options->quiet);
  EXPECT_TRUE(options->flush);
  EXPECT_EQ(options->watermark_bytes, 1U);
  EXPECT_EQ(options->filter, "udp port 53");
}

TEST(XdpcapOptions, Everything) {
  const Result<XdpcapOptions> options =
      parse({"-actions", "pass,XDPDrop,1", "--buffer=8192", "-watermark", "100", "-flush", "-q",
             "-linktype", "RAW", "-s", "96", "--wait", "-v", "/hook", "file", "ip and udp"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(*options->actions, (std::vector{Action::Pass, Action::Drop}));
  EXPECT_EQ(options->ring_bytes, 8192U);
  EXPECT_EQ(options->watermark_bytes, 100U);
  EXPECT_EQ(options->link_type.dlt, 12);
  EXPECT_EQ(options->link_type.linktype, 101);
  EXPECT_EQ(options->snaplen_bytes, 96U);
  EXPECT_TRUE(options->flush && options->quiet && options->verbose && options->wait);
  EXPECT_EQ(options->filter, "ip and udp");
}

TEST(XdpcapOptions, Limits) {
  const Result<XdpcapOptions> none = parse({"/h", "f"});
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->limits.any() || none->counts_only);
  const Result<XdpcapOptions> all =
      parse({"-c", "5", "--sample=100", "-rate", "1000000000", "-per-flow", "3", "/h", "f"});
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->limits, (CaptureLimits{.sample_one_in = 100,
                                        .packets_per_second = 1'000'000'000,
                                        .packets_per_flow = 3,
                                        .most_packets = 5}));
  const Result<XdpcapOptions> unlimited = parse({"-c", "5", "-c", "0", "/h", "f"});
  ASSERT_TRUE(unlimited) << unlimited.error().message;
  EXPECT_FALSE(unlimited->limits.any());
  for (const char* option : {"-sample", "-rate", "-per-flow"}) {
    EXPECT_FALSE(parse({option, "0", "/h", "f"})) << option;
  }
  EXPECT_FALSE(parse({"-sample", "4294967296", "/h", "f"}));
  EXPECT_FALSE(parse({"-rate", "1000000001", "/h", "f"}));
}

TEST(XdpcapOptions, AFilterFromAFileIsTheOnlyOne) {
  const Result<XdpcapOptions> options = parse({"-F", "filter.txt", "/h", "f"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->filter_file, "filter.txt");
  EXPECT_NE(parse({"-F", "filter.txt", "/h", "f", "ip"}).error().message.find("-F filter.txt"),
            std::string::npos);
}

TEST(XdpcapOptions, Statistics) {
  const Result<XdpcapOptions> options =
      parse({"-stats-json", "-stats-prometheus", "/run/x.prom", "/h", "f"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_TRUE(options->json);
  EXPECT_EQ(options->prometheus, "/run/x.prom");
  EXPECT_FALSE(parse({"-stats-prometheus", "", "/h", "f"}));
}

TEST(XdpcapOptions, CountingHasNoOutput) {
  const Result<XdpcapOptions> options = parse({"--count", "/h", "udp", "port", "53"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_TRUE(options->counts_only);
  EXPECT_EQ(options->hook_path, "/h");
  EXPECT_EQ(options->output, "");
  EXPECT_EQ(options->filter, "udp port 53");
  EXPECT_TRUE(parse({"-count", "/h"}));
  EXPECT_EQ(parse({"-count"}).error().message,
            "<hook> is missing; usage: xdpcap [options] <hook> [<filter>]");
  EXPECT_NE(parse({"-count", "-rate", "5", "/h"}).error().message.find("-rate"), std::string::npos);
}

TEST(XdpcapOptions, FlightRecorder) {
  const Result<XdpcapOptions> none = parse({"/h", "f"});
  EXPECT_FALSE(none->recorder_bytes);
  EXPECT_TRUE(none->triggers.empty());
  const Result<XdpcapOptions> options = parse({"--ring", "64M", "--trigger", "drop:100000",
                                               "-trigger=XDP_TX:1", "--trigger=2:7", "/h", "f"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->recorder_bytes, 64U << 20U);
  EXPECT_EQ(options->triggers,
            (std::vector<RateLimit>{{Action::Drop, 100'000}, {Action::Tx, 1}, {Action::Pass, 7}}));
  EXPECT_TRUE(parse({"-ring", "65584", "/h", "f"})) << "the largest packet";
  EXPECT_TRUE(parse({"-ring", "144", "-s", "96", "/h", "f"}));
  EXPECT_TRUE(parse({"-ring", "8G", "-actions", "drop,tx", "-trigger", "tx:1", "/h", "f"}));
}

TEST(XdpcapOptions, TheModeOfTheOutputIsOctal) {
  EXPECT_FALSE(parse({"/h", "f"})->output_mode);
  EXPECT_EQ(parse({"-mode", "0644", "/h", "f"})->output_mode, 0644U);
  EXPECT_EQ(parse({"--mode=640", "/h", "f"})->output_mode, 0640U);
  EXPECT_EQ(parse({"-mode", "0", "/h", "f"})->output_mode, 0U);
  EXPECT_EQ(parse({"-mode", "0777", "/h", "f"})->output_mode, 0777U);
}

TEST(XdpcapOptions, TheUserIsGivenAsTcpdumpTakesIt) {
  EXPECT_FALSE(parse({"/h", "f"})->user);
  EXPECT_EQ(parse({"-Z", "nobody", "/h", "f"})->user, "nobody");
  EXPECT_EQ(parse({"-Z", "65534", "-count", "/h"})->user, "65534");
}

TEST(XdpcapOptions, BytesHaveUnitsAndBufferTcpdumpsName) {
  const Result<XdpcapOptions> options =
      parse({"-B", "64K", "-watermark", "4k", "-s", "1K", "/h", "f"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->ring_bytes, 65536U);
  EXPECT_EQ(options->watermark_bytes, 4096U);
  EXPECT_EQ(options->snaplen_bytes, 1024U);
  EXPECT_EQ(parse({"-buffer", "0x2000", "/h", "f"})->ring_bytes, 8192U);
  EXPECT_EQ(parse({"-buffer", "8_192", "/h", "f"})->ring_bytes, 8192U);
  EXPECT_EQ(parse({"-watermark", "0", "/h", "f"})->watermark_bytes, 1U);
  EXPECT_EQ(parse({"-B8M", "/h", "f"})->ring_bytes, 8U << 20U);
}

TEST(XdpcapOptions, WatermarkFollowsTheRing) {
  EXPECT_EQ(parse({"-buffer", "8192", "/h", "f"})->watermark_bytes, 1U);
  EXPECT_EQ(parse({"-buffer", "262144", "/h", "f"})->watermark_bytes, 32768U);
  EXPECT_EQ(parse({"-buffer", "1", "/h", "f"})->watermark_bytes, 1U);
  EXPECT_EQ(parse({"-flush", "/h", "f"})->watermark_bytes, 1U);
  EXPECT_EQ(parse({"-flush", "-watermark", "64", "/h", "f"})->watermark_bytes, 64U);
}

TEST(XdpcapOptions, HelpAndVersionNeedNoOperands) {
  EXPECT_EQ(parse({"-h"})->request, Request::Help);
  EXPECT_EQ(parse({"-help"})->request, Request::Help);
  EXPECT_EQ(parse({"--version"})->request, Request::Version);
}

TEST(XdpcapOptions, SmallMachinesGetSmallerBuffers) {
  constexpr MachineLimits kSmall{.cpus = 8, .memory_bytes = 4ULL << 20U};
  EXPECT_EQ(parse({"/h", "f"}, kSmall)->ring_bytes, 512U << 10U);
}

TEST(XdpcapOptions, RingsTake64MiBInAllUnlessMoreIsAskedFor) {
  constexpr std::uint64_t kMost = 64ULL << 20U;
  struct Case {
    std::uint64_t cpus;
    std::uint64_t ring_bytes;
  };
  for (const auto& [cpus, ring_bytes] :
       {Case{1, 4U << 20U}, Case{2, 4U << 20U}, Case{15, 4U << 20U}, Case{16, 2U << 20U},
        Case{32, 1U << 20U}, Case{64, 512U << 10U}, Case{128, 256U << 10U}, Case{192, 128U << 10U},
        Case{240, 128U << 10U}}) {
    SCOPED_TRACE(cpus);
    const auto options = parse({"/h", "f"}, {.cpus = cpus, .memory_bytes = 1ULL << 40U});
    EXPECT_EQ(options->ring_bytes, ring_bytes);
    const std::uint64_t of_cpu =
        shared_ring_layout(options->ring_bytes).value_bytes + kWholePacketBytes;
    EXPECT_LE(cpus * of_cpu + PcapngWriter::buffer_bytes(), kMost);
    EXPECT_GT(options->watermark_bytes, 1U) << "a wake-up for each packet";
  }
  constexpr MachineLimits kHuge{.cpus = 1024, .memory_bytes = 1ULL << 40U};
  EXPECT_EQ(parse({"/h", "f"}, kHuge)->ring_bytes, 128U << 10U) << "the smallest for any packet";
  EXPECT_EQ(parse({"-buffer", "1M", "/h", "f"}, kHuge)->ring_bytes, 1U << 20U);
}

TEST(XdpcapOptions, Refuses) {
  struct Case {
    std::vector<std::string> arguments;
    const char* message;
  };
  const Case cases[] = {
      {{}, "<hook> is missing"},
      {{"-q"}, "<hook> is missing"},
      {{"/hook"}, "<output> is missing"},
      {{"", "file"}, "<hook> is missing"},
      {{"/hook", ""}, "<output> is missing"},
      {{"-buffer", "0", "/h", "f"},
       "option -buffer: 0 is out of range, must be from 1 to 1073741824"},
      {{"-buffer", "-1", "/h", "f"}, "option -buffer: \"-1\" is not a number"},
      {{"-buffer", "many", "/h", "f"}, "option -buffer: \"many\" is not a number"},
      {{"-buffer", "1073741825", "/h", "f"}, "option -buffer: 1073741825 is out of range"},
      {{"-watermark", "x", "/h", "f"}, "option -watermark: \"x\" is not a number from 0 to"},
      {{"-watermark", "4194305", "/h", "f"},
       "option -watermark: 4194305 is more than the ring's 4194304 bytes; see -buffer"},
      {{"-s", "65536", "/h", "f"},
       "option -snaplen: 65536 is out of range, must be from 1 to 65535"},
      {{"-actions", "sideways", "/h", "f"}, "option -actions: "},
      {{"-linktype", "NOSUCH", "/h", "f"}, "option -linktype: "},
      {{"-ring", "0", "/h", "f"}, "option -ring: 0 is out of range"},
      {{"-ring", "65583", "/h", "f"},
       "option -ring: 65583 bytes cannot hold a packet, which takes up to 65584; give it more, or "
       "lower -snaplen"},
      {{"-ring", "143", "-s", "96", "/h", "f"}, "option -ring: 143 bytes cannot hold a packet"},
      {{"-ring", "8589934593", "/h", "f"},
       "option -ring: 8589934593 bytes are more than the 8589934592 of this machine; give it less"},
      {{"-ring", "1M", "-count", "/h"},
       "option -count: nothing is recorded, so -ring keeps nothing; leave one of them out"},
      {{"-trigger", "drop:5", "/h", "f"},
       "option -trigger: there is nothing to write out without -ring BYTES; add that"},
      {{"-ring", "1M", "-trigger", "drop:5", "-actions", "pass", "/h", "f"},
       "option -trigger: XDPDrop is not captured; add it to -actions"},
      {{"-trigger", "drop", "/h", "f"},
       "option -trigger: \"drop\" has no rate; give ACTION:PPS, such as drop:100000"},
      {{"-trigger", "drop,tx:5", "/h", "f"},
       "option -trigger: \"drop,tx:5\" names 2 actions; give the option for each of them"},
      {{"-trigger", "sideways:5", "/h", "f"}, "option -trigger: "},
      {{"-trigger", "drop:0", "/h", "f"}, "option -trigger: 0 is out of range"},
      {{"-trigger", "drop:many", "/h", "f"}, "option -trigger: \"many\" is not a number"},
      {{"-trigger", ":5", "/h", "f"}, "option -trigger: "},
      {{"-Z", "", "/h", "f"}, "option -Z: no user is given"},
      {{"-mode", "", "/h", "f"}, "option -mode: \"\" is not an octal number from 0 to 0777"},
      {{"-mode", "1000", "/h", "f"}, "option -mode: \"1000\" is not an octal number"},
      {{"-mode", "0680", "/h", "f"}, "option -mode: \"0680\" is not an octal number"},
      {{"-mode", "u=rw", "/h", "f"}, "option -mode: \"u=rw\" is not an octal number"},
      {{"-mode", "-1", "/h", "f"}, "option -mode: \"-1\" is not an octal number"},
      {{"-mode", "99999999999999999999", "/h", "f"}, "option -mode: "},
      {{"-mode", "0600", "-count", "/h"},
       "option -count: -mode has no effect, because no file is written; leave one of them out"},
  };
  for (const Case& one : cases) {
    const Result<XdpcapOptions> options = parse(one.arguments);
    ASSERT_FALSE(options) << one.message;
    EXPECT_TRUE(options.error().message.starts_with(one.message)) << options.error().message;
  }
}

TEST(XdpcapOptions, HelpNamesEveryOption) {
  const std::string help = xdpcap_help(kTwoCpus);
  for (const char* name :
       {"-actions LIST", "-B, -buffer BYTES", "-watermark BYTES", "-flush", "-linktype TYPE",
        "-s, -snaplen BYTES", "-ring BYTES", "-trigger ACTION:PPS", "-mode OCTAL", "-Z USER",
        "-wait", "-q", "-v", "-h, -help", "-version",
        "Usage: xdpcap [options] <hook> <output> [<filter>]"}) {
    EXPECT_NE(help.find(name), std::string::npos) << name;
  }
  for (std::size_t start = 0; start < help.size();) {
    const std::size_t end = help.find('\n', start);
    EXPECT_LE(end - start, 100U) << help.substr(start, end - start);
    start = end + 1;
  }
}

}  // namespace
}  // namespace xdpcap
