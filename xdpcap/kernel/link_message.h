// SPDX-License-Identifier: BSD-3-Clause
//
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

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "xdpcap/kernel/interfaces.h"

namespace xdpcap {

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
