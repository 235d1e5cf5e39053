// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/link_message.h"

#include <fmt/core.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "xdpcap/kernel/errors.h"

namespace xdpcap {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr const char* kReadInterfaces = "read the list of interfaces";

std::unexpected<Error> malformed(std::string_view what) {
  return fail(Errc::Kernel, fmt::format("{}: the kernel's answer has {}", kReadInterfaces, what));
}

/// A structure of the kernel at the start of `bytes`, which need not be aligned.
template <typename T>
std::optional<T> read(Bytes bytes) {
  T value;
  if (bytes.size() < sizeof(value)) {
    return std::nullopt;
  }
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

/// Takes a part that starts with its own length off the front of `bytes`, with the padding behind it.
/// Returns nothing when the length is less than `least` or more than there is.
std::optional<Bytes> take(Bytes& bytes, std::size_t length, std::size_t least) {
  if (length < least || length > bytes.size()) {
    return std::nullopt;
  }
  constexpr std::size_t kAlignment = 4;  // NLMSG_ALIGNTO, RTA_ALIGNTO
  const Bytes part = bytes.first(length);
  const std::size_t padded = (length + kAlignment - 1) / kAlignment * kAlignment;
  bytes = bytes.subspan(std::min(padded, bytes.size()));
  return part;
}

/// Calls `visit(type, payload)` for each attribute.
template <typename Visit>
Result<void> for_each_attribute(Bytes bytes, const Visit& visit) {
  while (!bytes.empty()) {
    const std::optional<rtattr> head = read<rtattr>(bytes);
    const std::optional<Bytes> attribute =
        head ? take(bytes, head->rta_len, sizeof(rtattr)) : std::nullopt;
    if (!attribute) {
      return malformed("an attribute that is cut off");
    }
    TRY(visit(static_cast<std::uint16_t>(head->rta_type & NLA_TYPE_MASK),
              attribute->subspan(sizeof(rtattr))));
  }
  return {};
}

Result<void> read_xdp(Bytes attributes, Interface& interface) {
  struct ModeAttribute {
    std::uint16_t type;
    XdpMode mode;
  };
  constexpr std::array<ModeAttribute, 3> kModes = {{{IFLA_XDP_DRV_PROG_ID, XdpMode::Native},
                                                    {IFLA_XDP_SKB_PROG_ID, XdpMode::Generic},
                                                    {IFLA_XDP_HW_PROG_ID, XdpMode::Offload}}};
  return for_each_attribute(attributes, [&](std::uint16_t type, Bytes payload) -> Result<void> {
    for (const ModeAttribute& one : kModes) {
      if (one.type != type) {
        continue;
      }
      const std::optional<std::uint32_t> id = read<std::uint32_t>(payload);
      if (!id) {
        return malformed("an XDP program without an id");
      }
      if (*id != 0) {
        interface.xdp.push_back({.mode = one.mode, .program_id = *id});
      }
    }
    return {};
  });
}

InterfaceState state_of(std::uint32_t flags) {
  if ((flags & IFF_UP) == 0) {
    return InterfaceState::Down;
  }
  return (flags & IFF_LOWER_UP) != 0 ? InterfaceState::Up : InterfaceState::NoCarrier;
}

Result<Interface> read_interface(Bytes payload) {
  const std::optional<ifinfomsg> head = read<ifinfomsg>(payload);
  if (!head) {
    return malformed("an interface that is cut off");
  }
  Interface interface;
  interface.ifindex = static_cast<std::uint32_t>(head->ifi_index);
  interface.state = state_of(head->ifi_flags);
  TRY(for_each_attribute(payload.subspan(sizeof(*head)),
                         [&](std::uint16_t type, Bytes value) -> Result<void> {
                           if (type == IFLA_IFNAME) {
                             const auto* text = reinterpret_cast<const char*>(value.data());
                             interface.name.assign(text, ::strnlen(text, value.size()));
                           } else if (type == IFLA_XDP) {
                             return read_xdp(value, interface);
                           }
                           return {};
                         }));
  return interface;
}

/// NLMSG_ERROR and NLMSG_DONE start with an error number, 0 or negative.
Result<void> check_status(Bytes payload) {
  const std::optional<std::int32_t> status = read<std::int32_t>(payload);
  if (!status) {
    return malformed("a status that is cut off");
  }
  if (*status < 0) {
    return kernel_failure(kReadInterfaces, -*status, {});
  }
  return {};
}

}  // namespace

Result<void> add_link_messages(Bytes datagram, std::uint32_t sequence, LinkAnswer& answer) {
  while (!datagram.empty()) {
    const std::optional<nlmsghdr> head = read<nlmsghdr>(datagram);
    const std::optional<Bytes> message =
        head ? take(datagram, head->nlmsg_len, sizeof(nlmsghdr)) : std::nullopt;
    if (!message) {
      return malformed("a message that is cut off");
    }
    if (head->nlmsg_seq != sequence) {
      continue;
    }
    const Bytes payload = message->subspan(sizeof(nlmsghdr));
    answer.is_interrupted |= (head->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    switch (head->nlmsg_type) {
      case RTM_NEWLINK: answer.interfaces.push_back(TRY(read_interface(payload))); break;
      case NLMSG_ERROR: TRY(check_status(payload)); break;
      case NLMSG_DONE:
        TRY(check_status(payload));
        answer.is_whole = true;
        return {};
      default: break;
    }
  }
  return {};
}

}  // namespace xdpcap
