// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/generators/expression_generator.h"

#include <fmt/format.h>

namespace differential {
namespace {

constexpr std::uint32_t kTermKinds = 9;

}  // namespace

std::string ExpressionGenerator::address() {
  return dice_.one_in(4)
             ? fmt::format("10.{}.{}.{}", dice_.below(256), dice_.below(256), dice_.below(256))
             : fmt::format("192.0.2.{}", dice_.below(5));
}

std::string ExpressionGenerator::address6() {
  return fmt::format("2001:db8::{:x}{}", dice_.below(3), dice_.one_in(3) ? ":7" : "");
}

std::string ExpressionGenerator::port() {
  return dice_.one_in(3) ? fmt::format("{}", dice_.below(65536))
                         : std::string(dice_.pick({"22", "53", "80", "443", "8080", "0", "65535"}));
}

std::string ExpressionGenerator::field() {
  const std::string protocol = dice_.pick({"ether", "ip", "ip", "tcp", "udp", "icmp", "ip6"});
  const std::string size = dice_.pick({"", ":1", ":2", ":4"});
  if (dice_.one_in(6)) {
    return fmt::format("{}[{}{}]", protocol, arithmetic(1), size);
  }
  return fmt::format("{}[{}{}]", protocol, dice_.below(dice_.one_in(8) ? 60 : 20), size);
}

std::string ExpressionGenerator::arithmetic(std::uint32_t depth) {
  if (depth == 0 || dice_.one_in(3)) {
    return dice_.one_in(8)   ? std::string("len")
           : dice_.one_in(4) ? fmt::format("{}", dice_.below(dice_.one_in(4) ? 70000 : 20))
                             : field();
  }
  const std::string op = dice_.pick({"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"});
  const bool shifts = op == "<<" || op == ">>";
  const bool divides = op == "/" || op == "%";
  const std::string right = shifts    ? fmt::format("{}", dice_.below(8))
                            : divides ? fmt::format("{}", 1 + dice_.below(9))
                                      : arithmetic(depth - 1);
  return fmt::format("({} {} {})", arithmetic(depth - 1), op, right);
}

std::string ExpressionGenerator::comparison() {
  const std::string relation = dice_.pick({"=", "=", "!=", "<", ">", "<=", ">="});
  if (dice_.one_in(3)) {
    return fmt::format("{} & {:#x} {} {:#x}", field(), 1U << dice_.below(8) | dice_.below(16),
                       relation, dice_.below(16));
  }
  return fmt::format("{} {} {}", arithmetic(dice_.below(3)), relation,
                     dice_.one_in(6)
                         ? arithmetic(1)
                         : fmt::format("{}", dice_.below(dice_.one_in(3) ? 70000 : 20)));
}

std::string ExpressionGenerator::primitive() {
  const std::string direction = dice_.pick({"", "src ", "dst "});
  const std::string transport = dice_.pick({"", "tcp ", "udp "});
  switch (dice_.below(16)) {
    case 0: return dice_.pick({"ip", "ip6", "tcp", "udp", "icmp", "arp", "sctp", "icmp6"});
    case 1:
    case 2:
    case 3: return transport + direction + "port " + port();
    case 4: {
      const std::uint32_t first = dice_.below(60000);
      return fmt::format("{}{}portrange {}-{}", transport, direction, first,
                         first + dice_.below(2000));
    }
    case 5:
    case 6: return direction + "host " + address();
    case 7: return direction + "host " + address6();
    case 8:
      return fmt::format("{}net 10.{}.0.0/{}", direction, dice_.below(3), dice_.between(16, 24));
    case 9: return direction + "net 2001:db8::/32";
    case 10: return dice_.one_in(2) ? "vlan" : fmt::format("vlan {}", dice_.below(4));
    case 11: return dice_.pick({"mpls", "mpls 100", "pppoes", "geneve", "pppoes 7"});
    case 12: return fmt::format("{} {}", dice_.pick({"less", "greater"}), dice_.below(200));
    case 13:
      return dice_.pick({"ether broadcast", "ether multicast", "ether host 2:0:0:0:0:1",
                         "ip broadcast", "ip multicast", "ether src 2:0:0:0:0:2"});
    default: return comparison();
  }
}

std::string ExpressionGenerator::expression(std::uint32_t depth) {
  if (depth == 0 || dice_.one_in(5)) {
    return primitive();
  }
  if (dice_.one_in(6)) {
    return fmt::format("not ({})", expression(depth - 1));
  }
  return fmt::format("({}) {} ({})", expression(depth - 1), dice_.pick({"and", "or"}),
                     expression(depth - 1));
}

std::string ExpressionGenerator::term(std::uint32_t kind) {
  switch (kind) {
    case 0: return "host " + address();
    case 1: return "src host " + address();
    case 2: return "port " + port();
    case 3: return "tcp dst port " + port();
    case 4: return fmt::format("dst net 10.{}.{}.0/24", dice_.below(4), dice_.below(256));
    case 5: return fmt::format("ether src 2:0:0:0:{:x}:{:x}", dice_.below(3), dice_.below(256));
    case 6: return fmt::format("(host {} and port {})", address(), port());
    case 7: return fmt::format("host 2001:db8::{:x}", dice_.below(4096));
    default: {
      const std::uint32_t first = dice_.below(60000);
      return fmt::format("udp portrange {}-{}", first, first + dice_.below(40));
    }
  }
}

std::string ExpressionGenerator::list(std::uint32_t terms) {
  const std::uint32_t kind = dice_.below(kTermKinds);
  const bool mixed = dice_.one_in(6);
  std::string all = term(kind);
  for (std::uint32_t i = 1; i < terms; ++i) {
    all += " or " + term(mixed ? dice_.below(kTermKinds) : kind);
  }
  switch (dice_.below(4)) {
    case 0: return fmt::format("not ({})", all);
    case 1: return fmt::format("({}) and {}", all, primitive());
    default: return all;
  }
}

}  // namespace differential
