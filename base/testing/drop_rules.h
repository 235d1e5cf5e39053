// SPDX-License-Identifier: BSD-3-Clause
//
// Rules as packet-drop pipelines run them in an attack: addresses, ports and fields, of five kinds in turn.

#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace xdpcap::test {

struct DropRule {
  enum class Kind : std::uint8_t { Pair, SourcePort, SourceNet, Syn, Payload };
  static constexpr std::uint32_t kKinds = 5;

  Kind kind = Kind::Pair;
  std::uint32_t source = 0;  ///< Pair, SourceNet
  std::uint32_t victim = 0;  ///< all but SourceNet
  std::uint32_t port = 0;    ///< SourcePort, SourceNet, Payload
  std::uint32_t number = 0;  ///< SourcePort: length in bytes, Syn: window, Payload: its first word

  std::string expression() const {
    const std::string to = address(victim);
    switch (kind) {
      case Kind::Pair: return fmt::format("ip src host {} and ip dst host {}", address(source), to);
      case Kind::SourcePort:
        return fmt::format("ip dst host {} and udp src port {} and greater {}", to, port, number);
      case Kind::SourceNet:
        return fmt::format("ip src net {}/24 and tcp dst port {}", address(source & ~255U), port);
      case Kind::Syn:
        return fmt::format("ip dst host {} and tcp[tcpflags] == tcp-syn and tcp[14:2] == {}", to,
                           number);
      case Kind::Payload:
        return fmt::format("ip dst host {} and udp dst port {} and udp[8:4] == {:#x}", to, port,
                           number);
    }
    return {};
  }

  bool is_tcp() const { return kind == Kind::SourceNet || kind == Kind::Syn; }

 private:
  static std::string address(std::uint32_t value) {
    return fmt::format("{}.{}.{}.{}", value >> 24, value >> 16 & 255, value >> 8 & 255,
                       value & 255);
  }
};

/// Always the same, all different.
inline std::vector<DropRule> drop_rules(std::size_t count) {
  constexpr std::uint64_t kSeed = 11;
  std::mt19937_64 random(kSeed);
  const auto between = [&random](std::uint32_t low, std::uint32_t high) {
    return low + static_cast<std::uint32_t>(random() % (high - low + 1));
  };
  std::vector<DropRule> rules(count);
  std::uint32_t index = 0;
  for (DropRule& rule : rules) {
    rule.kind = static_cast<DropRule::Kind>(index++ % DropRule::kKinds);
    rule.victim = (198U << 24 | 18U << 16) + between(0, 0x1ffff);
    rule.source = between(0, 0xdffffffe);
    rule.port = between(1, rule.kind == DropRule::Kind::SourcePort ? 1023 : 65535);
    switch (rule.kind) {
      case DropRule::Kind::SourcePort: rule.number = between(100, 499); break;
      case DropRule::Kind::Syn: rule.number = between(512, 60511); break;
      default: rule.number = between(0, 0xfffffffe);
    }
  }
  return rules;
}

}  // namespace xdpcap::test
