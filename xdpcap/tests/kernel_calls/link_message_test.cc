// SPDX-License-Identifier: BSD-3-Clause
//
// Decoding the kernel's list of interfaces, and what must not be taken for one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "xdpcap/kernel/interfaces.h"

namespace xdpcap {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kSequence = 7;

template <typename T>
void append(Bytes& bytes, const T& value) {
  // Not insert(), of which g++ 12 wrongly believes that it overflows.
  std::ranges::copy_n(reinterpret_cast<const std::uint8_t*>(&value), sizeof(value),
                      std::back_inserter(bytes));
}

void append(Bytes& bytes, const Bytes& more) {
  std::ranges::copy(more, std::back_inserter(bytes));
}

void pad(Bytes& bytes) {
  bytes.resize((bytes.size() + 3) / 4 * 4);
}

Bytes number(std::uint32_t value) {
  Bytes bytes;
  append(bytes, value);
  return bytes;
}

Bytes text(std::string_view value) {
  Bytes bytes(value.begin(), value.end());
  bytes.push_back(0);
  return bytes;
}

Bytes attribute(std::uint16_t type, const Bytes& payload) {
  Bytes bytes;
  append(bytes, rtattr{.rta_len = static_cast<std::uint16_t>(sizeof(rtattr) + payload.size()),
                       .rta_type = type});
  append(bytes, payload);
  pad(bytes);
  return bytes;
}

Bytes message(std::uint16_t type, const Bytes& payload, std::uint16_t flags = NLM_F_MULTI,
              std::uint32_t sequence = kSequence) {
  Bytes bytes;
  append(bytes, nlmsghdr{.nlmsg_len = static_cast<std::uint32_t>(sizeof(nlmsghdr) + payload.size()),
                         .nlmsg_type = type,
                         .nlmsg_flags = flags,
                         .nlmsg_seq = sequence,
                         .nlmsg_pid = 0});
  append(bytes, payload);
  pad(bytes);
  return bytes;
}

Bytes interface(int ifindex, std::uint32_t flags, const std::vector<Bytes>& attributes) {
  Bytes bytes;
  ifinfomsg head{};
  head.ifi_index = ifindex;
  head.ifi_flags = flags;
  append(bytes, head);
  for (const Bytes& one : attributes) {
    append(bytes, one);
  }
  return bytes;
}

Bytes link(int ifindex, std::uint32_t flags, const std::vector<Bytes>& attributes) {
  return message(RTM_NEWLINK, interface(ifindex, flags, attributes));
}

Bytes joined(const std::vector<Bytes>& parts) {
  Bytes bytes;
  for (const Bytes& part : parts) {
    append(bytes, part);
  }
  return bytes;
}

Bytes done(std::int32_t status = 0) {
  return message(NLMSG_DONE, number(static_cast<std::uint32_t>(status)));
}

TEST(LinkMessageTest, ReadsInterfaces) {
  const Bytes xdp = joined({attribute(IFLA_XDP_ATTACHED, {XDP_ATTACHED_MULTI}),
                            attribute(IFLA_XDP_DRV_PROG_ID, number(11)),
                            attribute(IFLA_XDP_SKB_PROG_ID, number(12)),
                            attribute(IFLA_XDP_HW_PROG_ID, number(13))});
  const Bytes datagram =
      joined({link(1, IFF_UP | IFF_LOWER_UP, {attribute(IFLA_IFNAME, text("lo"))}),
              link(2, IFF_UP,
                   {attribute(IFLA_MTU, number(1500)), attribute(IFLA_IFNAME, text("eth0")),
                    attribute(IFLA_XDP | NLA_F_NESTED, xdp)}),
              link(3, IFF_LOWER_UP,
                   {attribute(IFLA_IFNAME, text("a_name_of_15_ch")),
                    attribute(IFLA_XDP, joined({attribute(IFLA_XDP_ATTACHED, {XDP_ATTACHED_NONE}),
                                                attribute(IFLA_XDP_PROG_ID, number(0)),
                                                attribute(IFLA_XDP_SKB_PROG_ID, number(0))}))}),
              done()});
  LinkAnswer answer;
  const Result<void> result = add_link_messages(datagram, kSequence, answer);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_TRUE(answer.is_whole);
  EXPECT_FALSE(answer.is_interrupted);
  EXPECT_THAT(
      answer.interfaces,
      ElementsAre(
          Interface{1, "lo", InterfaceState::Up, {}},
          Interface{2,
                    "eth0",
                    InterfaceState::NoCarrier,
                    {{XdpMode::Native, 11}, {XdpMode::Generic, 12}, {XdpMode::Offload, 13}}},
          Interface{3, "a_name_of_15_ch", InterfaceState::Down, {}}));
}

TEST(LinkMessageTest, AddsUpDatagramsUntilTheLast) {
  LinkAnswer answer;
  ASSERT_TRUE(add_link_messages(link(1, 0, {}), kSequence, answer).has_value());
  EXPECT_FALSE(answer.is_whole);
  ASSERT_TRUE(
      add_link_messages(message(RTM_NEWLINK, interface(2, 0, {}), NLM_F_MULTI | NLM_F_DUMP_INTR),
                        kSequence, answer)
          .has_value());
  EXPECT_TRUE(answer.is_interrupted);
  ASSERT_TRUE(add_link_messages(done(), kSequence, answer).has_value());
  EXPECT_TRUE(answer.is_whole);
  EXPECT_EQ(answer.interfaces.size(), 2U);
}

TEST(LinkMessageTest, SkipsWhatIsNotTheAnswer) {
  LinkAnswer answer;
  const Bytes datagram =
      joined({message(RTM_NEWLINK, interface(1, 0, {}), 0, kSequence - 1), message(NLMSG_NOOP, {}),
              message(NLMSG_DONE, number(0), 0, kSequence - 1)});
  ASSERT_TRUE(add_link_messages(datagram, kSequence, answer).has_value());
  EXPECT_FALSE(answer.is_whole);
  EXPECT_THAT(answer.interfaces, IsEmpty());
}

TEST(LinkMessageTest, ReportsTheKernelsRefusal) {
  for (const Bytes& datagram :
       {done(-EPERM), message(NLMSG_ERROR, number(static_cast<std::uint32_t>(-EPERM)))}) {
    LinkAnswer answer;
    const Result<void> result = add_link_messages(datagram, kSequence, answer);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, Errc::Permission);
    EXPECT_THAT(result.error().message, HasSubstr("read the list of interfaces"));
  }
}

Bytes with_length(Bytes bytes, std::size_t offset, std::uint16_t length) {
  std::memcpy(bytes.data() + offset, &length, sizeof(length));
  return bytes;
}

TEST(LinkMessageTest, RefusesWhatIsCutOff) {
  const Bytes named = link(2, 0, {attribute(IFLA_IFNAME, text("eth0"))});
  constexpr std::size_t kAttributeOffset = sizeof(nlmsghdr) + sizeof(ifinfomsg);
  struct Case {
    Bytes datagram;
    std::string_view words;
  };
  for (const Case& c : {
           Case{Bytes(4), "a message that is cut off"},
           Case{with_length(named, 0, 0), "a message that is cut off"},
           Case{with_length(named, 0, sizeof(nlmsghdr) - 1), "a message that is cut off"},
           Case{with_length(named, 0, static_cast<std::uint16_t>(named.size() + 1)),
                "a message that is cut off"},
           Case{message(RTM_NEWLINK, Bytes(sizeof(ifinfomsg) - 1)), "an interface that is cut off"},
           Case{with_length(named, kAttributeOffset, 0), "an attribute that is cut off"},
           Case{with_length(named, kAttributeOffset, 3), "an attribute that is cut off"},
           Case{with_length(named, kAttributeOffset, 13), "an attribute that is cut off"},
           Case{link(2, 0, {Bytes(3)}), "an attribute that is cut off"},
           Case{link(2, 0, {attribute(IFLA_XDP, attribute(IFLA_XDP_DRV_PROG_ID, {1, 2, 3}))}),
                "an XDP program without an id"},
           Case{link(2, 0, {attribute(IFLA_XDP, {9, 0, IFLA_XDP_DRV_PROG_ID, 0, 1, 0, 0, 0})}),
                "an attribute that is cut off"},
           Case{message(NLMSG_DONE, {0, 0, 0}), "a status that is cut off"},
       }) {
    LinkAnswer answer;
    const Result<void> result = add_link_messages(c.datagram, kSequence, answer);
    ASSERT_FALSE(result.has_value()) << c.words;
    EXPECT_EQ(result.error().code, Errc::Kernel);
    EXPECT_THAT(result.error().message, HasSubstr(std::string(c.words)));
  }
}

TEST(LinkMessageTest, TakesANameWithoutEnd) {
  LinkAnswer answer;
  ASSERT_TRUE(add_link_messages(joined({link(2, 0, {attribute(IFLA_IFNAME, {'a', 'b'})}),
                                        link(3, 0, {attribute(IFLA_IFNAME, {})})}),
                                kSequence, answer)
                  .has_value());
  EXPECT_THAT(answer.interfaces, ElementsAre(Interface{2, "ab", InterfaceState::Down, {}},
                                             Interface{3, "", InterfaceState::Down, {}}));
}

}  // namespace
}  // namespace xdpcap
