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
#include <span>
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

// Decoding what the kernel answers when it is asked for all interfaces.
//
//     message   nlmsghdr | ifinfomsg | attribute, attribute, ...          RTM_NEWLINK, one an interface
//     attribute length, type | payload | padding to 4 bytes               IFLA_IFNAME: the name
//                                                                         IFLA_XDP: attributes in an attribute
//
// A datagram has several messages; the last one of the answer is NLMSG_DONE.
//
// Every length is checked against what is there.  A message that does not hold what it says is an error, attributes
// that we do not know are skipped.
//
// Source: netlink(7), rtnetlink(7).
// Tested by: xdpcap/tests/kernel_calls/link_message_test.cc.

struct LinkAnswer {
  std::vector<Interface> interfaces;
  bool is_whole = false;  ///< the last message was there
  bool is_interrupted =
      false;  ///< interfaces came or went meanwhile: some may be missing, or twice
};

/// Adds the messages of a datagram that answer request `sequence`; others are skipped.
/// Errors: Errc::Kernel, the kernel's refusal, or a datagram that is cut off or makes no sense.
Result<void> add_link_messages(std::span<const std::uint8_t> datagram, std::uint32_t sequence,
                               LinkAnswer& answer);

}  // namespace xdpcap
