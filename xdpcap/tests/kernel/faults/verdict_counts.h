// SPDX-License-Identifier: BSD-3-Clause
//
// What an interface did with the frames that reached its XDP program, counted by its driver, which knows nothing of captures.
//
// Source: Linux v6.18 drivers/net/veth.c veth_get_ethtool_stats(), veth_xdp_rcv_one(): aborted frames are among the dropped.

#pragma once

#include <base/unique_fd.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "xdpcap/tests/kernel/netns.h"

namespace xdpcap::test {

/// Units: frames.
struct VerdictCounts {
  std::uint64_t arrived = 0;
  std::uint64_t dropped = 0;
  std::uint64_t bounced = 0;
  std::uint64_t redirected = 0;
  std::uint64_t passed() const { return arrived - dropped - bounced - redirected; }
  /// Frames that got what `action` asks for.
  std::uint64_t with(std::uint32_t action) const;
};

class VerdictCounter {
 public:
  /// Of a veth interface with one queue.
  VerdictCounter(const NetNamespace& where, const std::string& interface);
  VerdictCounts read() const;

 private:
  std::uint64_t value_of(const std::vector<std::uint64_t>& values, const char* name) const;
  void ask(void* request) const;

  UniqueFd socket_;
  std::string interface_;
  std::vector<std::string> names_;
};

}  // namespace xdpcap::test
