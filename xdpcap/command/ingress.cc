// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/ingress.h"

#include <fmt/core.h>

#include <algorithm>

#include "xdpcap/capture/packet_writer.h"

namespace xdpcap {

std::vector<IngressInterface> ingress_of(const HookFacts& facts) {
  std::vector<IngressInterface> ingress;
  if (!facts.users) {
    return ingress;
  }
  for (const HookUser& user : *facts.users) {
    for (const UserInterface& interface : user.interfaces) {
      const std::string& space = interface.network_namespace;
      ingress.push_back(
          {.ifindex = interface.ifindex,
           .name = space.empty() ? interface.name
                                 : fmt::format("{}, network namespace {}", interface.name, space)});
    }
    for (const std::uint32_t ifindex : user.ifindexes_elsewhere) {
      ingress.push_back({.ifindex = ifindex, .name = {}});
    }
  }
  std::ranges::sort(ingress);
  const auto twice = std::ranges::unique(ingress);
  ingress.erase(twice.begin(), twice.end());
  return ingress;
}

std::optional<std::uint32_t> sole_ifindex(const std::vector<IngressInterface>& ingress) {
  return ingress.size() == 1 ? std::optional(ingress.front().ifindex) : std::nullopt;
}

std::string describe_ingress(const std::vector<IngressInterface>& ingress) {
  constexpr std::size_t kMostNamed = 16;
  std::string named;
  for (std::size_t i = 0; i < std::min(ingress.size(), kMostNamed); ++i) {
    const IngressInterface& one = ingress[i];
    named += fmt::format("{}{}{}", i == 0 ? "" : ", ", one.ifindex,
                         one.name.empty() ? "" : fmt::format(" ({})", one.name));
  }
  if (ingress.size() > kMostNamed) {
    named += fmt::format(" and {} more", ingress.size() - kMostNamed);
  }
  if (sole_ifindex(ingress)) {
    return fmt::format("{}{}, unless a packet's comment names another", kIngressPrefix, named);
  }
  return "ingress interface in each packet's comment" + (named.empty() ? "" : ": " + named);
}

}  // namespace xdpcap
