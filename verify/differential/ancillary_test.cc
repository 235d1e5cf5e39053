// SPDX-License-Identifier: BSD-3-Clause
//
// Ancillary loads: the interpreter's answers are those the kernel gives a filter on a packet socket, and
// those a fragment gives under XDP.
//
// A packet socket does not tell a filter's value, so two sockets listen: one whose filter wants the load
// to give the expected value, one whose filter wants any other.  The first must get the frame.

#include "cbpfc/classic/ancillary.h"

#include <arpa/inet.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/testing/frame_maker.h"
#include "base/testing/one_cpu.h"
#include "verify/differential/engines/xdp_runner.h"
#include "verify/differential/generators/generator.h"
#include "verify/interpreter/interpret.h"
#include "xdpcap/tests/kernel/netns.h"

namespace differential {
namespace {

using cbpfc::Filter;
using cbpfc::kAncillaryOffset;
using cbpfc::kLinkLayerOffset;
using cbpfc::kNetworkOffset;
using cbpfc::RawInsn;
using xdpcap::test::Frame;
using xdpcap::test::FrameMaker;

constexpr RawInsn kRetA = {.code = 0x16};
/// Added to a value, so that "no match" is told from 0.
constexpr std::uint32_t kMark = 0x10000000;

Filter decode(const std::vector<RawInsn>& program) {
  return Filter::decode(program, cbpfc::Accept::Compiler).value();
}

/// What `load` gives for `frame`; nullopt when it ends the program.
std::optional<std::uint32_t> value_of(const std::vector<RawInsn>& load, const Frame& frame) {
  std::vector<RawInsn> program = load;
  program.insert(program.end(), {{.code = 0x04, .k = kMark}, kRetA});
  const std::uint32_t value =
      cbpfc::interpret(decode(program), frame, static_cast<std::uint32_t>(frame.size()),
                       {.from_frame = true})
          .value();
  return value != 0 ? std::optional(value - kMark) : std::nullopt;
}

bool is_tagged(const Frame& frame) {
  return (frame[12] == 0x81 && frame[13] == 0x00) || (frame[12] == 0x88 && frame[13] == 0xa8);
}

/// A packet socket at one end of a pair of interfaces.
class PacketSocket {
 public:
  explicit PacketSocket(std::uint32_t ifindex)
      : fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
    sockaddr_ll address = {};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(ifindex);
    if (!fd_.is_open() ||
        ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      std::perror("packet socket, which needs root");
      std::exit(1);
    }
  }
  void attach(std::vector<RawInsn> program) {
    const sock_fprog fprog{.len = static_cast<unsigned short>(program.size()),
                           .filter = reinterpret_cast<sock_filter*>(program.data())};
    ASSERT_EQ(::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog)), 0);
  }
  void send(const Frame& frame) {
    ASSERT_EQ(::send(fd_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  bool receive() {
    std::array<std::uint8_t, 256> buffer = {};
    return ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) >= 0;
  }
  int fd() const { return fd_.get(); }

 private:
  xdpcap::UniqueFd fd_;
};

using Question = std::pair<std::vector<RawInsn>, std::uint32_t>;

/// What a command prints.
std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    text += static_cast<char>(c);
  }
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

/// The loads a packet socket is asked, with the value it must give for `frame`.
std::vector<Question> questions(const Frame& frame) {
  std::vector<Question> all;
  const auto ask = [&](const std::vector<RawInsn>& load, std::uint32_t less = 0) {
    if (const auto value = value_of(load, frame)) {
      all.emplace_back(load, *value - less);
    }
  };
  for (const std::uint32_t load :
       {cbpfc::ancillary::kProtocol, cbpfc::ancillary::kPacketType, cbpfc::ancillary::kVlanTag,
        cbpfc::ancillary::kVlanTagPresent, cbpfc::ancillary::kVlanTpid}) {
    ask({{.code = 0x20, .k = kAncillaryOffset + load}});
  }
  // The kernel has taken the tag out of the bytes.
  const std::vector<RawInsn> payload = {
      {.code = 0x20, .k = kAncillaryOffset + cbpfc::ancillary::kPayloadOffset}};
  ask(payload, is_tagged(frame) && value_of(payload, frame).value_or(0) != 0 ? 4 : 0);
  ask({{.code = 0x20, .k = kNetworkOffset}});
  ask({{.code = 0x28, .k = kNetworkOffset + 6}});
  ask({{.code = 0x30, .k = kNetworkOffset + 9}});
  ask({{.code = 0x28, .k = kLinkLayerOffset}});
  ask({{.code = 0x20, .k = kLinkLayerOffset + 6}});
  if (!is_tagged(frame)) {
    ask({{.code = 0x28, .k = kLinkLayerOffset + 12}});
  }
  // Who asks for the tag sees what a packet socket sees.
  const RawInsn tag = {.code = 0x20, .k = kAncillaryOffset + cbpfc::ancillary::kVlanTagPresent};
  ask({tag, payload.front()});
  ask({tag, {.code = 0x80}});
  ask({tag, {.code = 0x81}, {.code = 0x87}});
  ask({tag, {.code = 0x28, .k = kLinkLayerOffset + 12}});
  ask({tag, {.code = 0xb1, .k = 14}, {.code = 0x87}});
  const auto offset = static_cast<std::uint32_t>(frame.back() % 16);
  for (const std::uint16_t code : std::initializer_list<std::uint16_t>{0x20, 0x28, 0x30}) {
    ask({tag, {.code = code, .k = offset}});
    ask({tag,
         {.code = 0x01, .k = 40},
         {.code = static_cast<std::uint16_t>(code ^ 0x60), .k = offset - 40}});
  }
  return all;
}

TEST(Ancillary, PacketSocketsAreToldTheSame) {
  const xdpcap::test::NetNamespace net;
  net.run("ip link set xc1 address 02:00:00:00:00:01");  // FrameMaker's one host
  const auto inside = net.enter();
  PacketSocket sender(net.left_ifindex());
  PacketSocket equal(net.right_ifindex());
  PacketSocket other(net.right_ifindex());
  FrameMaker frames(1);
  int payloads = 0;
  for (int n = 0; n < 1000; ++n) {
    const Frame frame = frames.frame();
    for (const auto& [load, value] : questions(frame)) {
      payloads += load.back().k == kAncillaryOffset + 52 && value > 30 ? 1 : 0;
      const auto accept_if = [&, &load = load, &value = value](bool is_equal) {
        std::vector<RawInsn> program = load;
        program.insert(program.end(), {{.code = 0x15, .jt = 0, .jf = 1, .k = value},
                                       {.code = 0x06, .k = is_equal ? 100U : 0U},
                                       {.code = 0x06, .k = is_equal ? 0U : 100U}});
        return program;
      };
      equal.attach(accept_if(true));
      other.attach(accept_if(false));
      sender.send(frame);
      std::array<pollfd, 2> ready = {{{.fd = equal.fd(), .events = POLLIN, .revents = 0},
                                      {.fd = other.fd(), .events = POLLIN, .revents = 0}}};
      ASSERT_GT(::poll(ready.data(), ready.size(), 5000), 0) << "neither socket got the frame";
      const bool was_equal = equal.receive();
      const bool was_other = other.receive();
      ASSERT_TRUE(was_equal && !was_other)
          << cbpfc::print_program(load, cbpfc::TextForm::Listing)
          << fmt::format("expected {:#x}, frame {:02x}", value, fmt::join(frame, " "));
    }
  }
  EXPECT_GT(payloads, 50);
}

TEST(Ancillary, FiltersOfTcpdumpMatchWhatTheyMatchOnAPacketSocket) {
  const xdpcap::test::NetNamespace net;
  net.run("ip link set xc1 address 02:00:00:00:00:01");
  const auto inside = net.enter();
  PacketSocket sender(net.left_ifindex());
  PacketSocket receiver(net.right_ifindex());
  PacketSocket all(net.right_ifindex());
  FrameMaker frames(7);
  std::size_t matches = 0;
  for (const char* expression :
       {"vlan", "not vlan", "vlan and ip", "ip and vlan", "vlan and tcp", "vlan and vlan",
        "vlan and not ip6", "vlan and less 100", "vlan and ip[0] & 0xf > 5", "vlan and udp port 0",
        "udp or (vlan and tcp)", "vlan and ether[11:4] & 1 = 0", "not (vlan and ip)"}) {
    SCOPED_TRACE(expression);
    const std::string text = output_of(fmt::format("tcpdump -i xc1 -ddd '{}'", expression));
    const std::vector<RawInsn> program = cbpfc::parse_program(text).value();
    const Filter filter = decode(program);
    receiver.attach(program);
    for (int n = 0; n < 60; ++n) {
      const Frame frame = frames.frame();
      const bool expected =
          cbpfc::interpret(filter, frame, static_cast<std::uint32_t>(frame.size()),
                           {.from_frame = true})
              .value() != 0;
      matches += expected ? 1 : 0;
      sender.send(frame);
      pollfd ready = {.fd = all.fd(), .events = POLLIN, .revents = 0};
      ASSERT_GT(::poll(&ready, 1, 5000), 0);
      ASSERT_TRUE(all.receive());
      ASSERT_EQ(receiver.receive(), expected) << fmt::format("frame {:02x}", fmt::join(frame, " "));
    }
  }
  EXPECT_GT(matches, 100U);
}

/// Runs fragments that may ask everything.
class XdpAncillary : public testing::Test {
 protected:
  XdpAncillary() {
    facts_ = {.from_frame = true,
              .ifindex = ::if_nametoindex("lo"),
              .rx_queue = 0,
              .cpu = static_cast<std::uint32_t>(one_cpu_.cpu()),
              .random = std::nullopt};
  }

  static cbpfc::Result<std::vector<cbpfc::ebpf::Insn>> program(const Filter& filter) {
    using cbpfc::ebpf::Reg;
    using cbpfc::ebpf::Width;
    const cbpfc::EbpfOptions options{
        .packet_start = Reg::R6,
        .packet_end = Reg::R7,
        .result = Reg::R0,
        .working = {Reg::R2, Reg::R8, Reg::R3, Reg::R4},
        .ancillary = {.from_frame = true, .context = Reg::R9, .helpers = true}};
    cbpfc::ebpf::Assembly code;
    code.add(cbpfc::ebpf::mov(Reg::R9, Reg::R1));
    code.add(cbpfc::ebpf::load(Width::Word, Reg::R6, Reg::R1, 0));
    code.add(cbpfc::ebpf::load(Width::Word, Reg::R7, Reg::R1, 4));
    code.append(TRY(cbpfc::compile_ebpf(filter, options)));
    code.label("result");
    code.add(cbpfc::ebpf::exit_insn());
    return code.assemble();
  }

  void load(const Filter& filter) {
    const auto insns = program(filter);
    ASSERT_TRUE(insns) << insns.error().message;
    const std::string log = runner_.load(*insns);
    ASSERT_EQ(log, "") << cbpfc::print_program(filter.encode(), cbpfc::TextForm::Listing);
  }

  void expect_agreement(const Filter& filter, std::span<const std::uint8_t> frame) {
    const auto value =
        cbpfc::interpret(filter, frame, static_cast<std::uint32_t>(frame.size()), facts_);
    ASSERT_TRUE(value) << value.error().message;
    matches_ += *value != 0 ? 1 : 0;
    ASSERT_EQ(runner_.run(frame), *value)
        << cbpfc::print_program(filter.encode(), cbpfc::TextForm::Listing)
        << fmt::format("frame {:02x}", fmt::join(frame, " "));
  }

  XdpRunner runner_;
  xdpcap::test::OnOneCpu one_cpu_;  // what is asked must not change while a test runs
  cbpfc::AncillaryFacts facts_;
  int matches_ = 0;
};

/// A random load of those under test.
RawInsn random_load(std::mt19937_64& random) {
  constexpr std::array<std::uint32_t, 10> kLoads = {0, 4, 8, 24, 36, 40, 44, 48, 52, 60};
  constexpr std::array<std::uint16_t, 4> kCodes = {0x20, 0x28, 0x30, 0xb1};
  const std::uint16_t code = kCodes[random() % kCodes.size()];
  const auto offset = static_cast<std::uint32_t>(random() % 50);
  switch (random() % 5) {
    case 0: return {.code = code, .k = kNetworkOffset + offset};
    case 4: return {.code = code, .k = offset % 16};
    case 1: return {.code = code, .k = kLinkLayerOffset + offset};
    default:
      return {.code = static_cast<std::uint16_t>(code == 0xb1 ? 0x20 : code),
              .k = kAncillaryOffset + kLoads[random() % kLoads.size()]};
  }
}

TEST_F(XdpAncillary, EveryLoadAloneOnFramesCutAtEveryLength) {
  std::mt19937_64 random(1);
  FrameMaker frames(2);
  for (int n = 0; n < 120; ++n) {
    const RawInsn each = random_load(random);
    const Filter filter = decode({each, {.code = 0x0c}, {.code = 0x04, .k = kMark}, kRetA});
    load(filter);
    const Frame frame = frames.frame();
    for (std::size_t length = 14; length <= frame.size() && !HasFatalFailure(); ++length) {
      expect_agreement(filter, std::span(frame).first(length));
    }
    ASSERT_FALSE(HasFatalFailure());
  }
}

TEST_F(XdpAncillary, RandomProgramsAgree) {
  std::mt19937_64 random(3);
  FrameMaker frames(4);
  constexpr int kPrograms = 2000;
  for (const Profile profile : {Profile::Wide, Profile::Address}) {
    Generator generator(5, profile);
    for (int n = 0; n < kPrograms; ++n) {
      std::vector<RawInsn> raw = generator.program().encode();
      for (RawInsn& insn : raw) {
        const bool is_load = (insn.code & 0xe7) == 0x20 || insn.code == 0xb1;
        insn = is_load && random() % 2 == 0 ? random_load(random) : insn;
      }
      const Filter filter = decode(raw);
      load(filter);
      for (int i = 0; i < 5 && !HasFatalFailure(); ++i) {
        const Frame frame = frames.frame();
        expect_agreement(
            filter, std::span(frame).first(random() % 4 == 0 ? 14 + random() % 40 : frame.size()));
      }
      ASSERT_FALSE(HasFatalFailure()) << "program " << n;
    }
  }
  EXPECT_GT(matches_, kPrograms);
}

TEST_F(XdpAncillary, RandomNumbersAreRandom) {
  load(decode({{.code = 0x20, .k = kAncillaryOffset + cbpfc::ancillary::kRandom}, kRetA}));
  const Frame frame(60);
  std::uint32_t ever_set = 0;
  std::uint32_t always_set = 0xffffffff;
  for (int i = 0; i < 200; ++i) {
    const std::uint32_t value = runner_.run(frame);
    ever_set |= value;
    always_set &= value;
  }
  EXPECT_EQ(ever_set, 0xffffffff);
  EXPECT_EQ(always_set, 0U);
}

TEST_F(XdpAncillary, LibpcapsExpressionsForThem) {
  const std::uint32_t lo = ::if_nametoindex("lo");
  FrameMaker frames(6);
  for (const auto& [expression, matches] :
       {std::pair<std::string, bool>{"inbound", true},
        {"outbound", false},
        {fmt::format("ifindex {}", lo), true},
        {fmt::format("ifindex {}", lo + 1), false},
        {fmt::format("inbound and ifindex {} and not outbound", lo), true}}) {
    SCOPED_TRACE(expression);
    const Filter filter = decode(cbpfc::compile_expression(expression).value());
    load(filter);
    const Frame frame = frames.frame();
    expect_agreement(filter, frame);
    EXPECT_EQ(runner_.run(frame) != 0, matches);
  }
}

}  // namespace
}  // namespace differential
