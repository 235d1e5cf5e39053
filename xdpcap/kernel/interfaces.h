// SPDX-License-Identifier: BSD-3-Clause
//
// The interfaces of this network namespace and the XDP programs on them.
//
// All are asked for at once (one dump of RTM_GETLINK), because asking for one at a time, as libbpf's bpf_xdp_query()
// does, makes the kernel dump them all each time.  Needs no capability.
//
// Source: rtnetlink(7); Linux v6.18 net/core/rtnetlink.c rtnl_xdp_fill().
// Tested by: xdpcap/tests/kernel/hook/hook_inventory_test.cc; decoding by xdpcap/tests/kernel_calls/link_message_test.cc.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace xdpcap {

/// Where on the way of a packet the program runs: in the driver, behind it, or on the card.
enum class XdpMode : std::uint8_t { Native, Generic, Offload };

/// "native", "generic", "offload".
std::string name(XdpMode mode);

enum class InterfaceState : std::uint8_t {
  Down,       ///< not set up: `ip link set NAME up`
  NoCarrier,  ///< set up, but nobody at the other end
  Up,
};

/// "down", "no carrier", "up".
std::string name(InterfaceState state);

struct XdpAttachment {
  XdpMode mode = XdpMode::Native;
  std::uint32_t program_id = 0;
  bool operator==(const XdpAttachment&) const = default;
};

struct Interface {
  std::uint32_t ifindex = 0;
  std::string name;
  InterfaceState state = InterfaceState::Down;
  std::vector<XdpAttachment> xdp;
  std::string network_namespace = {};  ///< its name; empty: that of this process
  bool operator==(const Interface&) const = default;
};

/// In the order of their numbers.
/// Errors: Errc::Kernel.
Result<std::vector<Interface>> all_interfaces();

}  // namespace xdpcap
