// SPDX-License-Identifier: BSD-3-Clause
//
// Ancillary loads and loads relative to a header: what they give for frames made by hand; that the
// interpreter and fragments say the same of random frames cut at every length; and how those without
// an answer are refused.

#include "cbpfc/classic/ancillary.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>

#include "base/testing/frame_maker.h"
#include "cbpfc/classic/cfg.h"
#include "verify/interpreter/ebpf_interpret.h"
#include "verify/interpreter/interpret.h"

namespace cbpfc {
namespace {

using Frame = std::vector<std::uint8_t>;

constexpr RawInsn kRetA = {.code = 0x16};
constexpr RawInsn kTxa = {.code = 0x87};

constexpr std::uint32_t kNet = kNetworkOffset;
constexpr std::uint32_t kLink = kLinkLayerOffset;

Filter decode(const std::vector<RawInsn>& program) {
  const auto filter = Filter::decode(program);
  EXPECT_TRUE(filter) << filter.error().message;
  return *filter;
}

Filter load(std::uint32_t offset) {
  return decode({{.code = 0x20, .k = kAncillaryOffset + offset}, kRetA});
}

/// A frame to `destination` (its first bytes) with `behind` at offset 12, 64 bytes in all.
Frame frame(Frame destination, const Frame& behind) {
  destination.resize(12, 0x02);
  destination.insert(destination.end(), behind.begin(), behind.end());
  destination.resize(64, 0);
  return destination;
}

Frame joined(Frame left, const Frame& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

const Frame kHost = {0x02, 0, 0, 0, 0, 1};
const Frame kTag = {0x81, 0x00, 0xb0, 0x64};  // priority 5, DEI, VLAN 100
const Frame kServiceTag = {0x88, 0xa8, 0x00, 0x07};
const Frame kIpv4Tcp = {0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 1, 2, 3,    4,
                        5,    6,    7,    8, 0, 1,  0, 2, 0, 0, 0,  0, 0, 0, 0, 0, 0x80, 0};
Frame ipv4(std::uint8_t words, std::uint8_t fragment_high, std::uint8_t protocol) {
  Frame made = kIpv4Tcp;
  made[2] = static_cast<std::uint8_t>(0x40 | words);
  made[8] = fragment_high;
  made[11] = protocol;
  return made;
}
Frame ipv6(std::uint8_t next) {
  Frame made = {0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, next, 64};
  made.resize(64, 0x11);
  return made;
}

struct Expected {
  const char* what;
  std::uint32_t load;
  Frame frame;
  std::uint32_t value;
};

std::vector<Expected> expected() {
  using namespace ancillary;  // NOLINT(google-build-using-namespace): a table of them
  constexpr std::uint32_t kNoMatch = 0;
  return {
      {"a protocol", kProtocol, frame(kHost, kIpv4Tcp), 0x0800},
      {"behind a tag", kProtocol, frame(kHost, joined(kTag, kIpv4Tcp)), 0x0800},
      {"behind one tag only", kProtocol, frame(kHost, joined(kServiceTag, joined(kTag, kIpv4Tcp))),
       0x8100},
      {"the smallest protocol", kProtocol, frame(kHost, {0x06, 0x00}), 0x0600},
      {"802.2", kProtocol, frame(kHost, {0x05, 0xff, 0x42, 0x42}), 4},
      {"802.3, as IPX has it", kProtocol, frame(kHost, {0x00, 0x20, 0xff, 0xff}), 1},
      {"802.2 behind a tag", kProtocol, frame(kHost, joined(kTag, {0x00, 0x20, 0x42, 0x42})), 4},
      {"802.3 behind a tag", kProtocol, frame(kHost, joined(kTag, {0x00, 0x20, 0xff, 0xff})), 1},
      {"to a host", kPacketType, frame(kHost, kIpv4Tcp), 0},
      {"to all", kPacketType, frame({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, kIpv4Tcp), 1},
      {"to nearly all", kPacketType, frame({0xff, 0xff, 0xff, 0xff, 0xff, 0xfd}, kIpv4Tcp), 2},
      {"to a group", kPacketType, frame({0x01, 0x00, 0x5e, 0, 0, 1}, kIpv4Tcp), 2},
      {"no tag: none there", kVlanTagPresent, frame(kHost, kIpv4Tcp), 0},
      {"no tag", kVlanTag, frame(kHost, kIpv4Tcp), 0},
      {"no tag: no TPID", kVlanTpid, frame(kHost, kIpv4Tcp), 0},
      {"a tag is there", kVlanTagPresent, frame(kHost, joined(kTag, kIpv4Tcp)), 1},
      {"all of the tag", kVlanTag, frame(kHost, joined(kTag, kIpv4Tcp)), 0xb064},
      {"its TPID", kVlanTpid, frame(kHost, joined(kTag, kIpv4Tcp)), 0x8100},
      {"a service tag is one", kVlanTagPresent, frame(kHost, joined(kServiceTag, kIpv4Tcp)), 1},
      {"the outermost tag", kVlanTag, frame(kHost, joined(kServiceTag, joined(kTag, kIpv4Tcp))), 7},
      {"its TPID", kVlanTpid, frame(kHost, joined(kServiceTag, kIpv4Tcp)), 0x88a8},
      {"0x9100 is no tag", kVlanTagPresent, frame(kHost, {0x91, 0x00, 0, 1, 8, 0}), 0},
      {"behind TCP with options", kPayloadOffset, frame(kHost, kIpv4Tcp), 14 + 20 + 32},
      {"the tag counts", kPayloadOffset, frame(kHost, joined(kTag, kIpv4Tcp)), 18 + 20 + 32},
      {"behind UDP", kPayloadOffset, frame(kHost, ipv4(5, 0, 17)), 14 + 20 + 8},
      {"behind IPv4 options", kPayloadOffset, frame(kHost, ipv4(8, 0, 17)), 14 + 32 + 8},
      {"behind ICMP", kPayloadOffset, frame(kHost, ipv4(5, 0, 1)), 14 + 20 + 8},
      {"behind SCTP", kPayloadOffset, frame(kHost, ipv4(5, 0, 132)), 14 + 20 + 12},
      {"before OSPF", kPayloadOffset, frame(kHost, ipv4(5, 0, 89)), 14 + 20},
      {"no header of 4 words", kPayloadOffset, frame(kHost, ipv4(4, 0, 17)), 0},
      {"a first fragment", kPayloadOffset, frame(kHost, ipv4(5, 0x20, 17)), 14 + 20 + 8},
      {"a later fragment", kPayloadOffset, frame(kHost, ipv4(5, 0x01, 17)), 14 + 20},
      {"a header longer than the frame", kPayloadOffset,
       [] {
         Frame made = frame(kHost, ipv4(15, 0, 6));
         made.resize(50);
         return made;
       }(),
       50},
      {"TCP cut before its length", kPayloadOffset,
       [] {
         Frame made = frame(kHost, kIpv4Tcp);
         made.resize(46);
         return made;
       }(),
       34},
      {"TCP that claims 5 bytes", kPayloadOffset,
       [] {
         Frame made = frame(kHost, kIpv4Tcp);
         made[46] = 0x10;
         return made;
       }(),
       14 + 20 + 20},
      {"a tunnel", kPayloadOffset, frame(kHost, ipv4(5, 0, 4)), kNoMatch},
      {"a fragment of a tunnel", kPayloadOffset, frame(kHost, ipv4(5, 0x20, 4)), 14 + 20},
      {"UDP over IPv6", kPayloadOffset, frame(kHost, ipv6(17)), 14 + 40 + 8},
      {"IPv6 without more", kPayloadOffset, frame(kHost, ipv6(59)), 14 + 40},
      {"IPv6 options", kPayloadOffset, frame(kHost, ipv6(60)), kNoMatch},
      {"ARP", kPayloadOffset, frame(kHost, {0x08, 0x06}), 14},
      {"LLDP", kPayloadOffset, frame(kHost, {0x88, 0xcc}), 0},
      {"PPPoE", kPayloadOffset, frame(kHost, {0x88, 0x64}), kNoMatch},
  };
}

TEST(Ancillary, GivesWhatTheFrameSays) {
  for (const Expected& e : expected()) {
    const auto value = interpret(load(e.load), e.frame, static_cast<std::uint32_t>(e.frame.size()),
                                 {.from_frame = true});
    ASSERT_TRUE(value) << e.what << ": " << value.error().message;
    EXPECT_EQ(*value, e.value) << e.what;
  }
}

TEST(Ancillary, LoadsRelativeToAHeader) {
  const Frame plain = frame(kHost, kIpv4Tcp);
  const Frame tagged = frame(kHost, joined(kTag, kIpv4Tcp));
  const auto value = [](const std::vector<RawInsn>& program, const Frame& packet) {
    return interpret(decode(program), packet, static_cast<std::uint32_t>(packet.size()),
                     {.from_frame = true})
        .value();
  };
  for (const Frame& packet : {plain, tagged}) {
    EXPECT_EQ(value({{.code = 0x30, .k = kNet + 9}, kRetA}, packet), 6U);
    EXPECT_EQ(value({{.code = 0x20, .k = kNet + 12}, kRetA}, packet), 0x01020304U);
    EXPECT_EQ(value({{.code = 0xb1, .k = kNet}, kTxa, kRetA}, packet), 20U);
    EXPECT_EQ(value({{.code = 0x00, .k = 7}, {.code = 0xb1, .k = kNet}, kRetA}, packet), 7U);
    EXPECT_EQ(value({{.code = 0x28, .k = kLink + 12}, kRetA}, packet),
              static_cast<std::uint32_t>(packet[12] << 8 | packet[13]));
    EXPECT_EQ(value({{.code = 0xb1, .k = kLink + 5}, kTxa, kRetA}, packet), 4U);
    EXPECT_EQ(value({{.code = 0x30, .k = kNet + 50}, {.code = 0x06, .k = 1}}, packet), 0U);
  }
}

TEST(Ancillary, FactsThatAreNotInTheFrame) {
  const AncillaryFacts facts = {.ifindex = 3, .rx_queue = 5, .cpu = 7, .random = 0xdeadbeef};
  EXPECT_EQ(*interpret(load(ancillary::kIfindex), {}, 0, facts), 3U);
  EXPECT_EQ(*interpret(load(ancillary::kQueue), {}, 0, facts), 5U);
  EXPECT_EQ(*interpret(load(ancillary::kCpu), {}, 0, facts), 7U);
  EXPECT_EQ(*interpret(load(ancillary::kRandom), {}, 0, facts), 0xdeadbeefU);
  const Filter xor_x = decode({{.code = 0x01, .k = 0xf0},
                               {.code = 0x00, .k = 0xff},
                               {.code = 0x20, .k = kAncillaryOffset + ancillary::kXorX},
                               kRetA});
  EXPECT_EQ(*interpret(xor_x, {}, 0), 0x0fU);
}

/// What a fragment gives.
class Fragment {
 public:
  explicit Fragment(const Filter& filter) {
    auto code = compile_ebpf(filter, options_).value();
    code.label(options_.result_label);
    code.add(ebpf::mov(ebpf::Reg::R0, options_.result));
    code.add(ebpf::exit_insn());
    insns_ = code.assemble().value();
  }
  std::uint64_t run(std::span<const std::uint8_t> packet, std::uint32_t wire) const {
    return ebpf::interpret(insns_, packet, ebpf::entry_state(options_, wire)).value().registers[0];
  }

 private:
  EbpfOptions options_ = {.packet_length = ebpf::Reg::R8, .ancillary = {.from_frame = true}};
  std::vector<ebpf::Insn> insns_;
};

constexpr RawInsn kAskForTag = {.code = 0x20, .k = kAncillaryOffset + ancillary::kVlanTagPresent};

TEST(Ancillary, TheInstructionsSayTheSame) {
  std::vector<RawInsn> loads;
  for (const std::uint32_t each :
       {ancillary::kProtocol, ancillary::kPacketType, ancillary::kVlanTag,
        ancillary::kVlanTagPresent, ancillary::kVlanTpid, ancillary::kPayloadOffset}) {
    loads.push_back({.code = 0x20, .k = kAncillaryOffset + each});
  }
  for (const std::uint16_t code : std::initializer_list<std::uint16_t>{0x20, 0x28, 0x30, 0xb1}) {
    for (const std::uint32_t offset : {0U, 9U, 20U, 100U}) {
      loads.push_back({.code = code, .k = kNet + offset});
      loads.push_back({.code = code, .k = kLink + offset});
    }
    for (const std::uint32_t offset : {7U, 8U, 9U, 10U, 11U, 12U, 13U, 40U}) {
      loads.push_back({.code = code, .k = offset});
      if (code != 0xb1) {  // from X = 0x55 on
        loads.push_back({.code = static_cast<std::uint16_t>(code ^ 0x60), .k = offset - 0x55});
      }
    }
  }
  loads.push_back({.code = 0x40, .k = 0U - 0x55 - 2});  // beyond 32 bits
  loads.push_back({.code = 0x80});
  loads.push_back({.code = 0x81});
  for (std::size_t each = 0; each < loads.size(); ++each) {
    for (const bool asks_for_tag : {false, true}) {
      xdpcap::test::FrameMaker frames(each + 1);
      // The value is made of A, X and whether the load was passed, to see that the rest is kept.
      const Filter filter = decode({{.code = 0x01, .k = 0x55},
                                    asks_for_tag ? kAskForTag : RawInsn{.code = 0x00},
                                    {.code = 0x00, .k = 0x1234567},
                                    loads[each],
                                    {.code = 0x24, .k = 0x10001},
                                    {.code = 0x0c},
                                    {.code = 0x04, .k = 1},
                                    kRetA});
      const Fragment fragment(filter);
      for (int n = 0; n < 40; ++n) {
        const Frame whole = frames.frame();
        for (std::size_t length = 0; length <= whole.size(); length += length < 64 ? 1 : 17) {
          const auto wire = static_cast<std::uint32_t>(n % 2 == 0 ? length : whole.size());
          const std::span packet = std::span(whole).first(length);
          ASSERT_EQ(*interpret(filter, packet, wire, {.from_frame = true}),
                    fragment.run(packet, wire))
              << "frame " << n << " cut to " << length << " of " << wire << ", load "
              << loads[each].code << " " << loads[each].k << ", asks for the tag: " << asks_for_tag;
        }
      }
    }
  }
}

TEST(Ancillary, WhoAsksForTheTagSeesTheFrameWithoutIt) {
  const Frame plain = frame(kHost, kIpv4Tcp);
  Frame tagged = plain;
  tagged.insert(tagged.begin() + 12, kTag.begin(), kTag.end());
  const std::vector<std::vector<RawInsn>> programs = {
      {{.code = 0x28, .k = 12}},
      {{.code = 0x20, .k = 9}},
      {{.code = 0x20, .k = 10}},
      {{.code = 0x28, .k = 11}},
      {{.code = 0x30, .k = 23}},
      {{.code = 0xb1, .k = 14}, kTxa},
      {{.code = 0x01, .k = 14}, {.code = 0x50, .k = 9}},
      {{.code = 0x01, .k = 4}, {.code = 0x40, .k = 5}},
      {{.code = 0x80}},
      {{.code = 0x81}, kTxa},
      {{.code = 0x28, .k = kLink + 12}},
      {{.code = 0x30, .k = kNet + 9}},
      {{.code = 0x20, .k = kAncillaryOffset + ancillary::kPayloadOffset}},
      {{.code = 0x20, .k = kAncillaryOffset + ancillary::kProtocol}},
  };
  const auto value = [](const Filter& filter, const Frame& packet) {
    const auto wire = static_cast<std::uint32_t>(packet.size());
    const std::uint32_t interpreted = interpret(filter, packet, wire, {.from_frame = true}).value();
    EXPECT_EQ(Fragment(filter).run(packet, wire), interpreted);
    return interpreted;
  };
  for (std::size_t i = 0; i < programs.size(); ++i) {
    std::vector<RawInsn> program = {kAskForTag};
    program.insert(program.end(), programs[i].begin(), programs[i].end());
    program.push_back(kRetA);
    EXPECT_EQ(value(decode(program), tagged), value(decode(program), plain)) << i;
    EXPECT_NE(value(decode(program), plain), 0U) << i;
  }
}

TEST(Ancillary, RefusesWhatHasNoMeaning) {
  const std::string frame = "ancillary.from_frame";
  const std::string context = "ancillary.context";
  const std::string helpers = "ancillary.helpers";
  const struct {
    std::uint32_t k;
    const char* message;
    std::string option;  ///< that would help
  } cases[] = {
      {kAncillaryOffset + 0,
       "the ancillary load \"protocol\" is not answered: it takes an Ethernet frame", frame},
      {kAncillaryOffset + 4,
       "the ancillary load \"packet type\" is not answered: it takes an Ethernet frame", frame},
      {kAncillaryOffset + 8,
       "the ancillary load \"ifindex\" is not answered: it takes the struct xdp_md", context},
      {kAncillaryOffset + 12,
       "the ancillary load \"netlink attribute\" has no answer in XDP: it looks into netlink messages",
       ""},
      {kAncillaryOffset + 16,
       "the ancillary load \"nested netlink attribute\" has no answer in XDP: it looks into netlink "
       "messages",
       ""},
      {kAncillaryOffset + 20,
       "the ancillary load \"mark\" has no answer in XDP: the kernel has not made a socket buffer yet, "
       "which has it",
       ""},
      {kAncillaryOffset + 24,
       "the ancillary load \"rx queue\" is not answered: it takes the struct xdp_md", context},
      {kAncillaryOffset + 28,
       "the ancillary load \"hardware type\" has no answer in XDP: a program cannot ask the interface "
       "for it",
       ""},
      {kAncillaryOffset + 32,
       "the ancillary load \"rx hash\" has no answer in XDP: only programs that are bound to one "
       "interface are told the hash",
       ""},
      {kAncillaryOffset + 36,
       "the ancillary load \"cpu\" is not answered: it takes a call of bpf_get_smp_processor_id()",
       helpers},
      {kAncillaryOffset + 44,
       "the ancillary load \"VLAN tag\" is not answered: it takes an Ethernet frame", frame},
      {kAncillaryOffset + 48,
       "the ancillary load \"VLAN tag present\" is not answered: it takes an Ethernet frame",
       frame},
      {kAncillaryOffset + 52,
       "the ancillary load \"payload offset\" is not answered: it takes an Ethernet frame", frame},
      {kAncillaryOffset + 56,
       "the ancillary load \"random\" is not answered: it takes a call of bpf_get_prandom_u32()",
       helpers},
      {kAncillaryOffset + 60,
       "the ancillary load \"VLAN TPID\" is not answered: it takes an Ethernet frame", frame},
      {kNet, "a load relative to the network header is not answered: it takes an Ethernet frame",
       frame},
      {kLink,
       "a load relative to the link-layer header is not answered: it takes an Ethernet frame",
       frame},
  };
  for (const auto& c : cases) {
    const Filter filter = decode({{.code = 0x00}, {.code = 0x30, .k = c.k}, kRetA});
    const auto cfg = build_cfg(filter, 0xffff);
    ASSERT_FALSE(cfg) << c.message;
    EXPECT_EQ(cfg.error().code, Errc::Unsupported);
    EXPECT_EQ(cfg.error().message, std::string("instruction 1: ") + c.message);
    EXPECT_EQ(cfg.error().option, c.option);
    const auto interpreted = interpret(filter, {}, 0);
    ASSERT_FALSE(interpreted) << c.message;
    EXPECT_EQ(interpreted.error().message, cfg.error().message);
    // What no option gives stays refused with all of them.
    const AncillaryOptions all = {.from_frame = true, .context = ebpf::Reg::R1, .helpers = true};
    EXPECT_EQ(build_cfg(filter, 0xffff, all).has_value(), !c.option.empty()) << c.message;
    EXPECT_EQ(check_ancillary(filter, all).has_value(), !c.option.empty()) << c.message;
  }
}

TEST(Ancillary, ThePayloadOffsetKeepsAllScratchSlots) {
  std::vector<RawInsn> program;
  for (std::uint32_t slot = 0; slot < kScratchSlots; ++slot) {
    program.push_back({.code = 0x00, .k = 1U << slot});
    program.push_back({.code = 0x02, .k = slot});
  }
  program.push_back({.code = 0x20, .k = kAncillaryOffset + ancillary::kPayloadOffset});
  for (std::uint32_t slot = 0; slot < kScratchSlots; ++slot) {
    program.push_back({.code = 0x61, .k = slot});
    program.push_back({.code = 0x0c});
  }
  program.push_back(kRetA);
  const Frame packet = frame(kHost, kIpv4Tcp);
  EXPECT_EQ(Fragment(decode(program)).run(packet, static_cast<std::uint32_t>(packet.size())),
            0xffffU + 14 + 20 + 32);
}

TEST(Ancillary, TheDocumentationHasTheTable) {
  std::ifstream file(XDPCAP_TEST_DATA "/../../docs/compiler.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const ancillary::Load& load : ancillary::kLoads) {
    constexpr std::array<std::string_view, 5> kSources = {"the program", "the frame", "the context",
                                                          "a call", "nowhere"};
    const std::string row =
        fmt::format("| `{}` | {} | {} | {} |", load.listing, load.name,
                    kSources[static_cast<std::size_t>(load.source)], load.where);
    EXPECT_TRUE(text.contains(row)) << row;
  }
}

}  // namespace
}  // namespace cbpfc
