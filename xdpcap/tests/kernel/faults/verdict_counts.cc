// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/faults/verdict_counts.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "xdpcap/tests/kernel/end_to_end/process.h"

namespace xdpcap::test {
namespace {

/// A request of a header and room for `entries` of `entry_bytes` behind it, as ethtool wants them.
template <typename Header>
std::vector<std::uint64_t> make_request(std::uint32_t command, std::size_t entries,
                                        std::size_t entry_bytes) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  std::vector<std::uint64_t> request((sizeof(Header) + entries * entry_bytes) / kWord + 1);
  std::memcpy(request.data(), &command, sizeof(command));
  return request;
}

}  // namespace

std::uint64_t VerdictCounts::with(std::uint32_t action) const {
  switch (action) {
    case 2: return passed();
    case 3: return bounced;
    case 4: return redirected;
    default: return dropped;
  }
}

void VerdictCounter::ask(void* request) const {
  ifreq interface{};
  interface_.copy(interface.ifr_name, sizeof(interface.ifr_name) - 1);
  interface.ifr_data = static_cast<char*>(request);
  if (::ioctl(socket_.get(), SIOCETHTOOL, &interface) != 0) {
    give_up("ask for the counters of " + interface_);
  }
}

VerdictCounter::VerdictCounter(const NetNamespace& where, const std::string& interface)
    : interface_(interface) {
  {
    const auto inside = where.enter();
    socket_ = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  }
  auto sizes = make_request<ethtool_sset_info>(ETHTOOL_GSSET_INFO, 1, sizeof(std::uint32_t));
  auto* const size = reinterpret_cast<ethtool_sset_info*>(sizes.data());
  size->sset_mask = 1ULL << ETH_SS_STATS;
  ask(size);
  auto texts = make_request<ethtool_gstrings>(ETHTOOL_GSTRINGS, size->data[0], ETH_GSTRING_LEN);
  auto* const text = reinterpret_cast<ethtool_gstrings*>(texts.data());
  text->string_set = ETH_SS_STATS;
  text->len = size->data[0];
  ask(text);
  for (std::uint32_t i = 0; i < text->len; ++i) {
    const char* const name =
        reinterpret_cast<const char*>(text->data) + static_cast<std::size_t>(i) * ETH_GSTRING_LEN;
    names_.emplace_back(name, ::strnlen(name, ETH_GSTRING_LEN));
  }
}

std::uint64_t VerdictCounter::value_of(const std::vector<std::uint64_t>& values,
                                       const char* name) const {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end()) {
    give_up(std::string("find the counter ") + name);
  }
  return values[static_cast<std::size_t>(found - names_.begin())];
}

VerdictCounts VerdictCounter::read() const {
  auto request = make_request<ethtool_stats>(ETHTOOL_GSTATS, names_.size(), sizeof(std::uint64_t));
  auto* const header = reinterpret_cast<ethtool_stats*>(request.data());
  header->n_stats = static_cast<std::uint32_t>(names_.size());
  ask(header);
  static_assert(sizeof(ethtool_stats) == sizeof(std::uint64_t));
  request.erase(request.begin());
  return {.arrived = value_of(request, "rx_queue_0_xdp_packets"),
          .dropped = value_of(request, "rx_queue_0_xdp_drops"),
          .bounced = value_of(request, "rx_queue_0_xdp_tx"),
          .redirected = value_of(request, "rx_queue_0_xdp_redirect")};
}

}  // namespace xdpcap::test
