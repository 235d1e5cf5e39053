// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/interfaces.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/unique_fd.h"
#include "xdpcap/kernel/errors.h"

namespace xdpcap {
namespace {

constexpr const char* kAskForInterfaces = "ask for the interfaces of this network namespace";
/// While somebody makes and removes interfaces without pause, the last answer is taken as it is.
constexpr std::uint32_t kMostTries = 5;

Result<void> send_request(int socket, std::uint32_t sequence) {
  struct {
    nlmsghdr head;
    ifinfomsg interface;
    rtattr attribute;
    std::uint32_t mask;
  } request{};
  static_assert(sizeof(request) == 40, "no padding between the parts");
  request.head = {.nlmsg_len = sizeof(request),
                  .nlmsg_type = RTM_GETLINK,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                  .nlmsg_seq = sequence,
                  .nlmsg_pid = 0};
  request.attribute = {.rta_len = sizeof(rtattr) + sizeof(request.mask), .rta_type = IFLA_EXT_MASK};
  request.mask = RTEXT_FILTER_SKIP_STATS;
  if (::send(socket, &request, sizeof(request), 0) < 0) {
    return kernel_failure(kAskForInterfaces, errno, {});
  }
  return {};
}

/// The next datagram, whole.
Result<void> receive(int socket, std::vector<std::uint8_t>& datagram) {
  ssize_t size = 0;
  do {
    size = ::recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC);
    if (size >= 0) {
      datagram.resize(static_cast<std::size_t>(size));
      size = ::recv(socket, datagram.data(), datagram.size(), 0);
    }
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    return kernel_failure(kAskForInterfaces, errno, {});
  }
  datagram.resize(static_cast<std::size_t>(size));
  return {};
}

Result<LinkAnswer> ask(int socket, std::uint32_t sequence) {
  TRY(send_request(socket, sequence));
  LinkAnswer answer;
  for (std::vector<std::uint8_t> datagram; !answer.is_whole;) {
    TRY(receive(socket, datagram));
    TRY(add_link_messages(datagram, sequence, answer));
  }
  return answer;
}

}  // namespace

std::string name(XdpMode mode) {
  switch (mode) {
    case XdpMode::Native: return "native";
    case XdpMode::Generic: return "generic";
    case XdpMode::Offload: return "offload";
  }
  return "unknown";
}

std::string name(InterfaceState state) {
  switch (state) {
    case InterfaceState::Down: return "down";
    case InterfaceState::NoCarrier: return "no carrier";
    case InterfaceState::Up: return "up";
  }
  return "unknown";
}

Result<std::vector<Interface>> all_interfaces() {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket.is_open()) {
    return kernel_failure(kAskForInterfaces, errno, {});
  }
  LinkAnswer answer;
  for (std::uint32_t sequence = 1; sequence <= kMostTries; ++sequence) {
    answer = TRY(ask(socket.get(), sequence));
    if (!answer.is_interrupted) {
      break;
    }
  }
  std::vector<Interface> interfaces = std::move(answer.interfaces);
  std::ranges::sort(interfaces, {}, &Interface::ifindex);
  const auto twice = std::ranges::unique(interfaces, {}, &Interface::ifindex);
  interfaces.erase(twice.begin(), twice.end());
  return interfaces;
}

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
