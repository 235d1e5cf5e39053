// SPDX-License-Identifier: BSD-3-Clause
//
// The interfaces that a hook's packets come in on, as far as that is known before the first packet: those that the
// programs that use the hook run on.
//
// Only a guess: a program may be attached later, or where xdpcap cannot see it.  The file therefore relies on nothing
// but what it says itself (xdpcap/capture/packet_writer.h): packets without a comment came in on the interface that its
// sections name, all others name their own.
//
// Tested by: xdpcap/tests/command/ingress_test.cc, xdpcap/tests/kernel/end_to_end/ingress_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xdpcap/inspect/hook_inventory.h"

namespace xdpcap {

struct IngressInterface {
  std::uint32_t ifindex = 0;
  std::string name;  ///< with its network namespace if that is another; empty: it is not known
  auto operator<=>(const IngressInterface&) const = default;
};

/// In the order of their numbers; none without the right to look.
std::vector<IngressInterface> ingress_of(const HookFacts& facts);

/// The interface whose packets need no comment; nullopt: all have one.
std::optional<std::uint32_t> sole_ifindex(const std::vector<IngressInterface>& ingress);

/// What a section says about the ingress interfaces of its packets.
std::string describe_ingress(const std::vector<IngressInterface>& ingress);

}  // namespace xdpcap
