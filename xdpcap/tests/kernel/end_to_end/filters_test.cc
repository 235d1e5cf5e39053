// SPDX-License-Identifier: BSD-3-Clause
//
// Filters as users write them, on live traffic: what is captured is what tcpdump picks out of the
// same frames.

#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kIpv4Bytes = 20;

// A Geneve header without options, in front of an Ethernet frame.
Bytes geneve(const Bytes& frame) {
  Bytes message = {0, 0, 0x65, 0x58, 0, 0, 42, 0};
  message.insert(message.end(), frame.begin(), frame.end());
  return message;
}

// DNS both ways, DNS over TCP, other ports, ICMP, IPv4 in IPv4, Ethernet in Geneve, and a protocol
// that is not IP.
std::vector<Bytes> mixed_traffic() {
  const Bytes text = {'h', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd', '!'};
  std::vector<Bytes> frames;
  for (std::uint16_t i = 0; i < 6; ++i) {
    const auto client = static_cast<std::uint16_t>(40000 + i);
    frames.push_back(udp_frame({client, 53}, dns_query(i)));
    frames.push_back(udp_frame({53, client}, dns_query(static_cast<std::uint16_t>(i + 100))));
    frames.push_back(udp_frame({client, 5353}, dns_query(i)));
    frames.push_back(ethernet(ETH_P_IP, ipv4(IPPROTO_TCP, tcp({client, 53}, dns_query(i)))));
    frames.push_back(ethernet(ETH_P_IP, ipv4(IPPROTO_TCP, tcp({80, client}, text))));
    frames.push_back(ethernet(ETH_P_IP, ipv4(IPPROTO_ICMP, icmp_echo(i))));
    const Bytes inner = ipv4(IPPROTO_UDP, udp({client, 53}, dns_query(i)));
    frames.push_back(ethernet(ETH_P_IP, ipv4(IPPROTO_IPIP, inner)));
    frames.push_back(udp_frame({client, 6081}, geneve(numbered_frame(i, 60))));
    frames.push_back(numbered_frame(i, 100));
  }
  return frames;
}

std::vector<Bytes> chosen_by_tcpdump(const Rig& rig, const std::vector<Bytes>& frames,
                                     const std::string& expression) {
  write_pcap(rig.file("sent.pcap"), frames);
  const Outcome tcpdump = run({"tcpdump", "-Z", "root", "-r", rig.file("sent.pcap"), "-w",
                               rig.file("chosen.pcap"), expression});
  EXPECT_EQ(tcpdump.end.exit_code, 0) << tcpdump.errors;
  return packets_in(rig.file("chosen.pcap"));
}

// A frame with a VLAN tag in front of its EtherType.
Bytes tagged(std::uint16_t vlan, Bytes frame) {
  const Bytes tag = {0x81, 0x00, static_cast<std::uint8_t>(vlan >> 8),
                     static_cast<std::uint8_t>(vlan & 0xff)};
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  return frame;
}

// What `tcpdump -i to_a -ddd` prints, on one line.
std::string program_of_tcpdump(const Rig& rig, const std::string& expression) {
  const auto inside = rig.observed().enter();
  const Outcome tcpdump = run({"tcpdump", "-i", "to_a", "-ddd", expression});
  EXPECT_EQ(tcpdump.end.exit_code, 0) << tcpdump.errors;
  std::string program = tcpdump.output;
  std::replace(program.begin(), program.end(), '\n', ',');
  return program;
}

// Sends `frames` through a capture with these options and this filter; what was captured.
std::vector<Captured> capture_of(const Rig& rig, const std::vector<Bytes>& frames,
                                 std::vector<std::string> options, const std::string& filter) {
  const PacketSocket delivered = rig.delivered();
  options.insert(options.end(), {rig.hook(), rig.file("out.pcapng"), filter});
  Capture capture(rig.target().hook_fd(), options);
  rig.sending().send(frames);
  EXPECT_EQ(delivered.receive(frames.size()), frames);
  capture.stop();
  return read_capture(rig.file("out.pcapng"));
}

std::vector<Bytes> bytes_of(const std::vector<Captured>& packets) {
  std::vector<Bytes> bytes;
  for (const Captured& packet : packets) {
    bytes.push_back(packet.bytes);
  }
  return bytes;
}

class Filters : public EndToEndTest {};

TEST_F(Filters, ChooseWhatTcpdumpChooses) {
  const Rig rig;
  const std::vector<Bytes> frames = mixed_traffic();
  for (const char* expression :
       {"ip and udp port 53", "port 53", "tcp", "not ip", "icmp[icmptype] = icmp-echo",
        // A load relative to the IP header's length, behind two ways that lead there.
        "(udp src port 53 or udp dst port 53) and udp[9] > 2",
        "tcp port 80 and tcp[20:4] = 0x68656c6c",
        "(tcp port 53 or udp port 5353) and ip[10:2] & 1 = 0", "geneve or tcp port 80",
        "greater 90"}) {
    SCOPED_TRACE(expression);
    const std::vector<Bytes> expected = chosen_by_tcpdump(rig, frames, expression);
    EXPECT_TRUE(bytes_of(capture_of(rig, frames, {"-q"}, expression)) == expected);
    EXPECT_FALSE(expected.empty()) << "says little";
    EXPECT_LT(expected.size(), frames.size()) << "says little";
  }
}

TEST_F(Filters, OfDnsGetEveryDnsPacketAndNothingElse) {
  const Rig rig;
  const std::vector<Bytes> frames = mixed_traffic();
  const std::vector<Captured> packets = capture_of(rig, frames, {}, "ip and udp port 53");
  EXPECT_EQ(packets.size(), 12U);
  const std::vector<std::string> names =
      fields_with_tshark(rig.file("out.pcapng"), {"dns.qry.name"});
  EXPECT_EQ(names, std::vector<std::string>(12, "example"));
}

TEST_F(Filters, MayBeProgramsOfNumbers) {
  const Rig rig;
  const std::vector<Bytes> frames = mixed_traffic();
  std::string program = run({"tcpdump", "-ddd", "ip and udp port 53"}).output;
  program.pop_back();
  std::replace(program.begin(), program.end(), '\n', ',');
  const std::vector<Bytes> dns = chosen_by_tcpdump(rig, frames, "ip and udp port 53");
  EXPECT_EQ(bytes_of(capture_of(rig, frames, {}, program)), dns);
}

TEST_F(Filters, MayAskWhatAPacketSocketIsTold) {
  const Rig rig;
  const Bytes text = {'h', 'e', 'l', 'l', 'o'};
  const auto web = [&](std::uint16_t port) {
    return ethernet(ETH_P_IP, ipv4(IPPROTO_TCP, tcp({40000, port}, text)));
  };
  Bytes to_all = web(80);
  std::fill_n(to_all.begin(), 6, std::uint8_t{0xff});
  const std::vector<Bytes> frames = {web(80),
                                     tagged(5, web(80)),
                                     tagged(6, web(80)),
                                     tagged(5, web(81)),
                                     tagged(5, tagged(6, web(80))),
                                     to_all};
  constexpr const char* kMulticastOrBroadcast =  // SKF_AD_PKTTYPE
      "4,32 0 0 4294963204,21 0 1 0,6 0 0 0,6 0 0 1";
  constexpr const char* kFirstQueue = "4,32 0 0 4294963224,21 0 1 0,6 0 0 1,6 0 0 0";
  const std::string here = std::to_string(rig.observed_ifindex());
  const std::string elsewhere = std::to_string(rig.observed_ifindex() + 1);
  struct Case {
    std::string filter;
    std::vector<std::size_t> captured;
  };
  for (const Case& c : {
           Case{program_of_tcpdump(rig, "vlan 5 and port 80"), {1}},
           Case{program_of_tcpdump(rig, "vlan 5 and tcp"), {1, 3}},
           Case{program_of_tcpdump(rig, "ip and vlan"), {1, 2, 3}},
           Case{program_of_tcpdump(rig, "vlan 5 and vlan 6 and port 80"), {4}},
           Case{program_of_tcpdump(rig, "not vlan"), {0, 5}},
           Case{program_of_tcpdump(rig, "inbound"), {0, 1, 2, 3, 4, 5}},
           Case{"ifindex " + here, {0, 1, 2, 3, 4, 5}},
           Case{"ifindex " + here + " and tcp port 80", {0, 5}},
           Case{"ifindex " + elsewhere, {}},
           Case{"not ifindex " + elsewhere + " and vlan 6", {2}},
           Case{kMulticastOrBroadcast, {5}},
           Case{kFirstQueue, {0, 1, 2, 3, 4, 5}},
       }) {
    SCOPED_TRACE(c.filter);
    std::vector<Bytes> expected;
    for (const std::size_t each : c.captured) {
      expected.push_back(frames[each]);
    }
    const PacketSocket delivered = rig.delivered();
    Capture capture(rig.target().hook_fd(), {"-q", rig.hook(), rig.file("out.pcapng"), c.filter});
    rig.sending().send(frames);
    EXPECT_EQ(delivered.receive(frames.size()).size(), frames.size());
    capture.stop();
    EXPECT_EQ(bytes_of(read_capture(rig.file("out.pcapng"))), expected);
  }
}

TEST_F(Filters, MayComeFromBpfoff) {
  const Rig rig;
  const std::vector<Bytes> frames = mixed_traffic();
  const std::string inner = std::to_string(kEthernetBytes + kIpv4Bytes);
  const std::string both = std::to_string(kEthernetBytes) + "," + inner;
  const auto program = [](const std::string& offsets) {
    const Outcome bpfoff = run({BPFOFF_COMMAND, offsets, "udp port 53"});
    EXPECT_EQ(bpfoff.end.exit_code, 0) << bpfoff.errors;
    return bpfoff.output.substr(0, bpfoff.output.find('\n'));
  };
  const std::vector<Bytes> encapsulated = chosen_by_tcpdump(rig, frames, "ip proto 4");
  EXPECT_EQ(encapsulated.size(), 6U);
  EXPECT_EQ(bytes_of(capture_of(rig, frames, {}, program(inner))), encapsulated);
  const std::vector<Bytes> all = chosen_by_tcpdump(rig, frames, "udp port 53 or ip proto 4");
  EXPECT_EQ(bytes_of(capture_of(rig, frames, {}, program(both))), all);
}

TEST_F(Filters, FollowTheLinkType) {
  const Rig rig;
  // XDP on some interfaces sees IP packets without a link-layer header; to veth, bytes are bytes.
  const std::vector<Bytes> frames = {ipv4(IPPROTO_UDP, udp({40000, 53}, dns_query(1))),
                                     ipv4(IPPROTO_TCP, tcp({40000, 53}, dns_query(2)))};
  for (const char* link_type : {"RAW", "raw", "101"}) {
    SCOPED_TRACE(link_type);
    const std::vector<Captured> packets =
        capture_of(rig, frames, {"-linktype", link_type}, "udp port 53");
    EXPECT_EQ(bytes_of(packets), std::vector<Bytes>{frames[0]});
    EXPECT_EQ(fields_with_tshark(rig.file("out.pcapng"), {"frame.protocols"}),
              std::vector<std::string>{"raw:ip:udp:dns"});
  }
}

TEST_F(Filters, ByActionTakeOnlyTheseSlots) {
  struct Case {
    std::vector<std::string> options;
    std::vector<std::size_t> captured;  // actions
  };
  const Rig rig;
  const std::vector<Bytes> frames = {order_frame(0, 0), order_frame(1, 1), order_frame(3, 3),
                                     order_frame(4, 4), order_frame(2, 2)};
  for (const Case& c :
       {Case{{"-actions", "pass,drop"}, {1, 2}}, Case{{"-actions", "2,1"}, {1, 2}},
        Case{{"--actions", "XDPDrop,XDP_PASS"}, {1, 2}}, Case{{"--actions=1"}, {1}}}) {
    SCOPED_TRACE(c.options.back());
    std::vector<std::string> arguments = c.options;
    arguments.insert(arguments.end(), {rig.hook(), rig.file("out.pcapng")});
    Capture capture(rig.target().hook_fd(), arguments, c.captured.size());
    const std::vector<std::uint32_t> slots = slots_of(rig.target().hook_fd());
    std::vector<Bytes> expected;
    for (const std::size_t action : c.captured) {
      EXPECT_NE(slots[action], 0U);
      expected.push_back(action == 2 ? frames.back() : frames[action]);
    }
    EXPECT_EQ(filled_slots(rig.target().hook_fd()), c.captured.size());
    const PacketSocket delivered = rig.delivered();
    rig.sending().send(frames);
    EXPECT_EQ(delivered.receive(1).size(), 1U);
    capture.stop();
    EXPECT_EQ(bytes_of(read_capture(rig.file("out.pcapng"))), expected);
    EXPECT_EQ(statistics_in(rig.file("out.pcapng")).size(), expected.size());
  }
}

}  // namespace
}  // namespace xdpcap::test
