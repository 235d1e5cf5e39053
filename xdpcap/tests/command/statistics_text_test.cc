// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/statistics/statistics_text.h"

#include <gtest/gtest.h>

namespace xdpcap::cli {
namespace {

CaptureStatistics example() {
  CaptureStatistics statistics;
  statistics.wall_ns = 1'764'212'345'000'000'001;
  statistics.by_cpu.resize(2);
  statistics.by_cpu[1][1] = {
      .received = 9, .matched = 8, .held_back = 2, .lost = 1, .random = 0xffff};
  statistics.totals[1] = {.received = 9,
                          .matched = 8,
                          .held_back = 2,
                          .overwritten = 10,
                          .in_memory = 11,
                          .written = 4,
                          .lost = 1,
                          .unwritten = 1};
  return statistics;
}

TEST(StatisticsText, Json) {
  const std::vector<Action> actions = {Action::Drop, Action::Pass};
  EXPECT_EQ(
      statistics_json(example(), actions, "/sys/fs/bpf/hook"),
      R"({"time_ns":1764212345000000001,"hook":"/sys/fs/bpf/hook",)"
      R"("received":9,"matched":8,"held_back":2,"overwritten":10,"in_memory":11,"written":4,"lost":1,"unwritten":1,"actions":{)"
      R"("XDPDrop":{"received":9,"matched":8,"held_back":2,"overwritten":10,"in_memory":11,"written":4,"lost":1,"unwritten":1,)"
      R"("cpus":[{"cpu":1,"received":9,"matched":8,"held_back":2,"lost":1}]},)"
      R"("XDPPass":{"received":0,"matched":0,"held_back":0,"overwritten":0,"in_memory":0,"written":0,"lost":0,"unwritten":0,)"
      R"("cpus":[]}}})"
      "\n");
}

TEST(StatisticsText, NamesAreQuoted) {
  const std::string line = statistics_json({}, {}, "/a\"b\\c\n\x1b\xff\xc3\xa4");
  EXPECT_TRUE(line.starts_with(
      "{\"time_ns\":0,\"hook\":\"/a\\\"b\\\\c\\u000a\\u001b\xef\xbf\xbd\xc3\xa4\",\"received\":0,"))
      << line;
  const std::vector<Action> actions = {Action::Drop};
  EXPECT_NE(
      statistics_prometheus(example(), actions, "/a\"b\\c\n\x1b\xff\xc3\xa4")
          .find(
              "written_packets_total{hook=\"/a\\\"b\\\\c\\n\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4\",action=\"XDPDrop\"} 4"),
      std::string::npos);
  // Printable characters of two to four bytes stay; U+0080 to U+009F and U+007F are control characters.
  EXPECT_NE(
      statistics_prometheus(example(), actions, "\xc2\xa0\xe2\x82\xac\xf0\x9f\x99\x82\xc2\x9f\x7f")
          .find("{hook=\"\xc2\xa0\xe2\x82\xac\xf0\x9f\x99\x82\xef\xbf\xbd\xef\xbf\xbd\","),
      std::string::npos);
}

TEST(StatisticsText, Prometheus) {
  const std::vector<Action> actions = {Action::Drop};
  EXPECT_EQ(statistics_prometheus(example(), actions, "/h"),
            R"(# HELP xdpcap_received_packets_total Packets that reached the hook.
# TYPE xdpcap_received_packets_total counter
xdpcap_received_packets_total{hook="/h",action="XDPDrop",cpu="0"} 0
xdpcap_received_packets_total{hook="/h",action="XDPDrop",cpu="1"} 9
# HELP xdpcap_matched_packets_total Packets that the filter matched.
# TYPE xdpcap_matched_packets_total counter
xdpcap_matched_packets_total{hook="/h",action="XDPDrop",cpu="0"} 0
xdpcap_matched_packets_total{hook="/h",action="XDPDrop",cpu="1"} 8
# HELP xdpcap_held_back_packets_total Matching packets that a limit kept out of the ring.
# TYPE xdpcap_held_back_packets_total counter
xdpcap_held_back_packets_total{hook="/h",action="XDPDrop",cpu="0"} 0
xdpcap_held_back_packets_total{hook="/h",action="XDPDrop",cpu="1"} 2
# HELP xdpcap_lost_packets_total Matching packets for which the ring had no room.
# TYPE xdpcap_lost_packets_total counter
xdpcap_lost_packets_total{hook="/h",action="XDPDrop",cpu="0"} 0
xdpcap_lost_packets_total{hook="/h",action="XDPDrop",cpu="1"} 1
# HELP xdpcap_overwritten_packets_total Packets that fell out of the flight recorder's memory.
# TYPE xdpcap_overwritten_packets_total counter
xdpcap_overwritten_packets_total{hook="/h",action="XDPDrop"} 10
# HELP xdpcap_in_memory_packets Packets in the flight recorder's memory.
# TYPE xdpcap_in_memory_packets gauge
xdpcap_in_memory_packets{hook="/h",action="XDPDrop"} 11
# HELP xdpcap_written_packets_total Packets whose whole block reached the output.
# TYPE xdpcap_written_packets_total counter
xdpcap_written_packets_total{hook="/h",action="XDPDrop"} 4
# HELP xdpcap_unwritten_packets Packets read from the ring or from memory and not yet written.
# TYPE xdpcap_unwritten_packets gauge
xdpcap_unwritten_packets{hook="/h",action="XDPDrop"} 1
)");
}

}  // namespace
}  // namespace xdpcap::cli
