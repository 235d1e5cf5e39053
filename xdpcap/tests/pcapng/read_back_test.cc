// SPDX-License-Identifier: BSD-3-Clause
//
// What is written is what tshark, capinfos and tcpdump show.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "xdpcap/pcapng/block.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/tests/pcapng/capture_files.h"
#include "xdpcap/tests/pcapng/memory_sink.h"

namespace xdpcap {
namespace {

/// An Ethernet frame with a UDP datagram in it, so that tools have something to print.
std::vector<std::uint8_t> udp_frame() {
  std::vector<std::uint8_t> frame = {
      2,    0, 0,    0,    0,   1,  2,   0, 0,  0,  0,    2,    8, 0,  // Ethernet
      0x45, 0, 0,    32,   0,   0,  0,   0, 64, 17, 0xf6, 0xba,        // IPv4
      192,  0, 2,    1,    198, 51, 100, 2,                            // addresses
      0x10, 0, 0x27, 0x10, 0,   12, 0,   0, 1,  2,  3,    4};          // UDP, four bytes
  frame.resize(60);
  return frame;
}

/// A capture with every option.
std::vector<std::uint8_t> write_capture(std::uint32_t boundary_bytes) {
  MemorySink sink({.boundary_bytes = boundary_bytes});
  PcapngSection section;
  section.hardware = "veth";
  section.os = "Linux 6.18";
  section.application = "xdpcap 0.1";
  const std::string filter = "udp port 53 or host 192.0.2.1";
  section.interfaces = {{.name = "XDPPass", .description = "passed", .filter = filter},
                        {.name = "XDPDrop", .description = "dropped", .filter = filter}};
  auto writer = PcapngWriter::start(sink, section);
  EXPECT_TRUE(writer.has_value());
  const auto frame = udp_frame();
  for (std::uint32_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(writer
                    ->write({.interface = i % 2,
                             .wall_time_ns = 1'700'000'000'123'456'789U + i,
                             .wire_length_bytes = 9000 + i,
                             .bytes = frame,
                             .xdp_verdict = i % 2 == 0 ? 2U : 1U,
                             .queue = 40 + i,
                             .lost_before_packets = i == 2 ? 7U : 0U,
                             .comment = i == 3 ? "last one" : ""})
                    .has_value());
  }
  const std::vector<PcapngStatistics> statistics(2, {.start_ns = 1'700'000'000'000'000'000,
                                                     .end_ns = 1'700'000'001'000'000'000,
                                                     .received = 100,
                                                     .accepted = 10,
                                                     .dropped = 8,
                                                     .delivered = 2});
  EXPECT_TRUE(writer->write_statistics(statistics).has_value());
  return sink.bytes();
}

class ReadBack : public ::testing::Test {
 protected:
  void SetUp() override { test::write_file(path_, write_capture(0)); }

  test::TemporaryDirectory directory_;
  std::string path_ = directory_.path("read_back.pcapng");
};

TEST_F(ReadBack, Tshark) {
  const auto result = test::run(
      "tshark -n -T fields -E separator=';' -e frame.interface_name -e frame.interface_description "
      "-e frame.verdict.ebpf_xdp -e frame.interface_queue -e frame.packet_flags_direction "
      "-e frame.drop_count -e frame.time_epoch -e frame.len -e frame.cap_len -e frame.comment "
      "-e udp.dstport -r " +
      path_);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.complaints, "");
  EXPECT_EQ(result.output,
            "XDPPass;passed;2;40;0x00000001;;1700000000.123456789;9000;60;;10000\n"
            "XDPDrop;dropped;1;41;0x00000001;;1700000000.123456790;9001;60;;10000\n"
            "XDPPass;passed;2;42;0x00000001;7;1700000000.123456791;9002;60;;10000\n"
            "XDPDrop;dropped;1;43;0x00000001;;1700000000.123456792;9003;60;last one;10000\n");
}

/// Fillers and paddings change nothing that a reader shows, not even in the most talkative form.
TEST_F(ReadBack, FillersAndPaddingsDoNotShow) {
  const std::string tshark = "tshark -n -V -r " + path_;
  const std::string capinfos = "capinfos -t -E -c -u -a -e -o -I -n -F -k " + path_;
  const std::string tcpdump = "tcpdump -nn -e -vv -XX -r " + path_;
  const auto plain_tshark = test::run(tshark);
  const auto plain_capinfos = test::run(capinfos);
  const auto plain_tcpdump = test::run(tcpdump);
  const auto plain_blocks = test::walk_blocks(test::read_file(path_));
  std::map<std::uint32_t, std::uint64_t> padded;  // blocks by type
  std::uint64_t fillers = 0;
  for (const std::uint32_t boundary :
       {76U,  80U,  84U,  104U, 108U, 112U, 160U, 164U, 168U, 184U,
        188U, 192U, 196U, 260U, 268U, 272U, 276U, 372U, 376U, 512U}) {
    SCOPED_TRACE(boundary);
    const auto file = write_capture(boundary);
    std::size_t i = 0;
    for (const auto& block : test::walk_blocks(file)) {
      if (BlockType{block.type} == BlockType::NameResolution) {
        ++fillers;
        continue;
      }
      ASSERT_LT(i, plain_blocks.size());
      padded[block.type] += block.bytes.size() != plain_blocks[i].bytes.size() ? 1U : 0U;
      ++i;
    }
    test::write_file(path_, file);
    for (const auto& [command, plain] :
         {std::pair{tshark, plain_tshark}, std::pair{capinfos, plain_capinfos},
          std::pair{tcpdump, plain_tcpdump}}) {
      const auto result = test::run(command);
      EXPECT_EQ(result.exit_code, 0) << command;
      EXPECT_EQ(result.complaints, "") << command;
      EXPECT_EQ(result.output, plain.output) << command;
      EXPECT_GT(plain.output.size(), 200U) << command;
    }
  }
  EXPECT_GT(fillers, 20U);
  for (const auto type : {BlockType::SectionHeader, BlockType::InterfaceDescription,
                          BlockType::EnhancedPacket, BlockType::InterfaceStatistics}) {
    EXPECT_GT(padded[static_cast<std::uint32_t>(type)], 0U)
        << static_cast<std::uint32_t>(type) << ": no boundary of the above tests it";
  }
}

TEST_F(ReadBack, Capinfos) {
  const auto result = test::run("capinfos " + path_);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.complaints, "");
  for (const std::string line :
       {"Number of packets:   4\n", "Capture hardware:    veth\n",
        "Capture oper-sys:    Linux 6.18\n", "Capture application: xdpcap 0.1\n",
        "File timestamp precision:  nanoseconds (9)\n", "Strict time order:   True\n",
        "Number of interfaces in file: 2\n", "Name = XDPPass\n", "Description = dropped\n",
        "Capture length = 65535\n", "Filter string = udp port 53 or host 192.0.2.1\n",
        "Number of stat entries = 1\n"}) {
    EXPECT_NE(result.output.find(line), std::string::npos) << line << result.output;
  }
  EXPECT_EQ(result.output.find("esolved"), std::string::npos) << result.output;
}

TEST_F(ReadBack, Tcpdump) {
  const auto result = test::run("tcpdump -tttt --nano -nn -r " + path_ + " | cut -d' ' -f2-");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.complaints, "");
  EXPECT_EQ(std::ranges::count(result.output, '\n'), 4) << result.output;
  EXPECT_NE(result.output.find(".123456792 IP 192.0.2.1.4096 > 198.51.100.2.10000:"),
            std::string::npos)
      << result.output;
}

TEST_F(ReadBack, Libpcap) {
  const auto result = test::read_with_libpcap(test::read_file(path_));
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.packets, 4U);
}

}  // namespace
}  // namespace xdpcap
