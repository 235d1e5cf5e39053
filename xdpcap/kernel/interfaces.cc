// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/interfaces.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/unique_fd.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/link_message.h"

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

}  // namespace xdpcap
