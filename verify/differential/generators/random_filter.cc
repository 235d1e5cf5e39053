// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/generators/random_filter.h"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace differential {
namespace {

constexpr std::array<std::uint32_t, 6> kHosts = {0x0a010203, 0x0a010209, 0x0a010304,
                                                 0xc0a80101, 0x01020304, 0xac100401};
constexpr std::array<std::uint32_t, 6> kPorts = {21, 25, 53, 80, 443, 8080};
constexpr std::uint32_t kHosts6 = 3;  ///< 2001:db8::1 and on
constexpr std::array<std::uint32_t, 6> kProtocols = {6, 6, 17, 17, 1, 132};
constexpr std::uint32_t kIcmp6 = 58;

std::string address(std::uint32_t host) {
  return fmt::format("{}.{}.{}.{}", host >> 24, host >> 16 & 255, host >> 8 & 255, host & 255);
}

std::string direction(Dice& dice) {
  return dice.pick({"", "", "src ", "dst ", "src or dst ", "src and dst "});
}

std::string number(Dice& dice) {
  return dice.one_in(3) ? fmt::format("{:#x}", dice.pick({0xffffffffU, 0xffU, 0x80000000U, 0xfU}))
                        : fmt::format("{}", dice.below(dice.one_in(3) ? 300 : 8));
}

std::string field(Dice& dice) {
  const std::string protocol = dice.pick({"ether", "ip", "ip", "tcp", "tcp", "udp", "icmp", "ip6"});
  if (dice.one_in(10)) {
    return fmt::format("{}[({}[0] & 0xf) << 1{}]", protocol, protocol, dice.pick({"", ":2", ":4"}));
  }
  return fmt::format("{}[{}{}]", protocol,
                     dice.pick({0U, 1U, 2U, 4U, 6U, 8U, 9U, 12U, 13U, dice.below(24)}),
                     dice.pick({"", "", ":2", ":4"}));
}

/// Of constants alone, often: libpcap computes nothing before its optimiser does.
std::string arithmetic(Dice& dice, std::uint32_t depth, bool is_constant) {
  if (depth == 0 || dice.one_in(3)) {
    return is_constant || dice.one_in(3) ? number(dice) : dice.one_in(6) ? "len" : field(dice);
  }
  const std::string op = dice.pick({"+", "-", "*", "/", "%", "&", "&", "|", "^", "<<", ">>"});
  const std::string right = op == "<<" || op == ">>"
                                ? fmt::format("{}", dice.below(32))  // beyond, engines differ
                                : arithmetic(dice, depth - 1, is_constant || dice.one_in(2));
  const std::string left = arithmetic(dice, depth - 1, is_constant);
  return dice.one_in(2) ? fmt::format("({} {} {})", left, op, right)
                        : fmt::format("{} {} {}", left, op, right);
}

std::string comparison(Dice& dice) {
  const std::string relation = dice.pick({"=", "=", "!=", "<", ">", "<=", ">="});
  const bool is_constant = dice.one_in(4);
  const std::string left = arithmetic(dice, dice.below(3), is_constant);
  return fmt::format("{} {} {}", left, relation,
                     dice.one_in(3) ? arithmetic(dice, 1, is_constant) : number(dice));
}

std::string random_term(Dice& dice) {
  switch (dice.below(14)) {
    case 0:
    case 1: return direction(dice) + "host " + address(dice.pick(kHosts));
    case 2: return fmt::format("{}host 2001:db8::{}", direction(dice), 1 + dice.below(kHosts6));
    case 3:
      return direction(dice) +
             dice.pick({"net 10", "net 10.1.2.0/24", "net 10.1.2.8/29", "net 192.168.0.0/16",
                        "net 2001:db8::/32", "net 172.16.0.0/12", "net 0.0.0.0/1"});
    case 4:
    case 5:
    case 6:
      return fmt::format("{}{}port {}", dice.pick({"", "", "tcp ", "udp ", "sctp "}),
                         direction(dice), dice.pick(kPorts));
    case 7:
      return fmt::format("{}{}portrange {}", dice.pick({"", "tcp ", "udp "}), direction(dice),
                         dice.pick({"20-25", "50-100", "1-1023", "80-80", "443-8080"}));
    case 8:
    case 9:
      return dice.pick({"ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "sctp", "ip proto 17",
                        "ip6 proto 6", "ether proto 0x86dd", "proto 6", "ip multicast"});
    case 10:
      return fmt::format("{} {}", dice.pick({"less", "greater", "len =", "len >", "len !="}),
                         dice.pick({40U, 54U, 60U, 74U, dice.below(100)}));
    case 11:
      return dice.one_in(3)
                 ? dice.pick({"vlan", "vlan 1", "vlan 2", "ether broadcast", "ether multicast",
                              "ether host 2:0:0:0:0:1", "ether src 2:0:0:0:0:2", "mpls", "pppoes"})
                 : dice.pick({"tcp[13] & 2 != 0", "ip[6:2] & 0x1fff = 0", "tcp[0:2] = tcp[4:2]",
                              "ip[1] & 0xffffffff = 0",
                              "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn",
                              "icmp[icmptype] = icmp-echo", "ip[8] > 64", "udp[0:2] = udp[2:2]",
                              "ip6[6] = 6"});
    default: return comparison(dice);
  }
}

void put(Packet& packet, std::size_t size, std::uint64_t value) {
  while (size-- > 0) {
    packet.push_back(static_cast<std::uint8_t>(value >> 8 * size));
  }
}

std::uint32_t random_host(Dice& dice) {
  return dice.one_in(10) ? dice.word() : dice.pick(kHosts);
}

void put_transport(Packet& packet, Dice& dice, std::uint32_t protocol) {
  const std::uint32_t source = dice.one_in(10) ? dice.below(65536) : dice.pick(kPorts);
  if (protocol == 1 || protocol == kIcmp6) {
    put(packet, 4, dice.pick({0x08000000U, 0U, 0x03010000U}));
  } else {
    put(packet, 2, source);
    put(packet, 2, dice.pick(kPorts));
  }
  put(packet, 4, dice.one_in(2) ? source << 16 : dice.below(8));
  if (protocol == 6) {
    put(packet, 4, dice.one_in(2) ? 0 : dice.word());
    put(packet, 4, 0x50020000U | dice.below(0x3f) << 16 | dice.below(8));
  }
}

void put_ip(Packet& packet, Dice& dice) {
  const std::uint32_t protocol = dice.one_in(10) ? dice.below(256) : dice.pick(kProtocols);
  const std::uint32_t words = dice.one_in(5) ? 5 + dice.below(3) : 5;
  put(packet, 1, 0x40 | words);
  put(packet, 1, dice.one_in(2) ? 0 : dice.below(256));
  put(packet, 2, dice.below(128));
  put(packet, 2, dice.below(4));
  put(packet, 2, dice.one_in(5) ? dice.below(0x4000) : 0);  // a fragment
  put(packet, 1, dice.pick({1U, 64U, 65U, 255U}));
  put(packet, 1, protocol);
  put(packet, 2, dice.below(65536));
  put(packet, 4, random_host(dice));
  put(packet, 4, random_host(dice));
  put(packet, (words - 5) * std::size_t{4}, 0);
  put_transport(packet, dice, protocol);
}

void put_ip6(Packet& packet, Dice& dice) {
  const std::uint32_t protocol = dice.pick({6U, 17U, kIcmp6, 132U, 44U});
  put(packet, 4, 0x60000000);
  put(packet, 2, dice.below(128));
  put(packet, 1, protocol);
  put(packet, 1, 64);
  for (int i = 0; i < 2; ++i) {
    put(packet, 8, 0x20010db800000000);
    put(packet, 8, dice.one_in(10) ? dice.bits() : 1 + dice.below(kHosts6));
  }
  put_transport(packet, dice, protocol);
}

void put_arp(Packet& packet, Dice& dice) {
  put(packet, 8, 0x0001080006040001);
  put(packet, 6, 0x020000000001);
  put(packet, 4, random_host(dice));
  put(packet, 6, 0);
  put(packet, 4, random_host(dice));
}

RandomFilter random_list(Dice& dice, std::uint32_t terms) {
  RandomFilter list;
  const bool mostly_and = dice.one_in(2);
  while (terms > 0) {
    const std::uint32_t some =
        terms > 1 && !list.children.empty() && dice.one_in(3) ? dice.between(2, terms) : 1;
    RandomFilter child =
        some > 1 ? random_list(dice, some) : RandomFilter{.term = random_term(dice)};
    child.is_negated = dice.one_in(4);
    if (!list.children.empty()) {
      list.joined_by_and.push_back(dice.one_in(4) != mostly_and);
    }
    list.children.push_back(std::move(child));
    terms -= some;
  }
  return list;
}

/// `filter` with one thing less, for each there is.
std::vector<RandomFilter> smaller(const RandomFilter& filter) {
  std::vector<RandomFilter> all;
  if (filter.is_negated) {
    all.push_back(filter);
    all.back().is_negated = false;
  }
  for (std::size_t i = 0; i < filter.children.size(); ++i) {
    all.push_back(filter.children[i]);
    if (filter.children.size() > 1) {
      RandomFilter without = filter;
      const auto at = static_cast<std::ptrdiff_t>(i);
      without.children.erase(without.children.begin() + at);
      without.joined_by_and.erase(without.joined_by_and.begin() + (at == 0 ? 0 : at - 1));
      all.push_back(std::move(without));
    }
    for (RandomFilter& child : smaller(filter.children[i])) {
      all.push_back(filter);
      all.back().children[i] = std::move(child);
    }
  }
  return all;
}

}  // namespace

std::string RandomFilter::text(bool is_outermost) const {
  std::string all = term;
  for (std::size_t i = 0; i < children.size(); ++i) {
    all += (i == 0 ? "" : joined_by_and[i - 1] ? " and " : " or ") + children[i].text(false);
  }
  const bool in_brackets = !children.empty() && (is_negated || !is_outermost);
  return (is_negated ? "not " : "") + (in_brackets ? "(" + all + ")" : all);
}

RandomFilter random_filter(Dice& dice, std::uint32_t terms) {
  return random_list(dice, terms);
}

Packet random_packet(Dice& dice) {
  Packet packet;
  const auto station = [&] { return 0x020000000001U + dice.below(2); };
  put(packet, 6, dice.one_in(6) ? 0xffffffffffffU : station());
  put(packet, 6, station());
  for (; dice.one_in(6);) {
    put(packet, 4, 0x81000000 | dice.below(3));
  }
  switch (dice.below(12)) {
    case 0:
      put(packet, 2, 0x0806);
      put_arp(packet, dice);
      break;
    case 1: put(packet, 2, dice.pick({0x8847U, 0x8864U, dice.below(65536)})); break;
    case 2:
    case 3:
    case 4:
      put(packet, 2, 0x86dd);
      put_ip6(packet, dice);
      break;
    default: put(packet, 2, 0x0800); put_ip(packet, dice);
  }
  const std::size_t padding = packet.size() < 60 && dice.one_in(2) ? 60 : packet.size();
  packet.resize(dice.one_in(8) ? dice.below(80) : padding);
  return packet;
}

RandomFilter shrink(RandomFilter filter, const std::function<bool(const RandomFilter&)>& fails) {
  for (bool is_done = false; !is_done;) {
    is_done = true;
    for (RandomFilter& less : smaller(filter)) {
      if (fails(less)) {
        filter = std::move(less);
        is_done = false;
        break;
      }
    }
  }
  return filter;
}

}  // namespace differential
