// SPDX-License-Identifier: BSD-3-Clause
//
// A tool that knows nothing of chains, as the original xdpcap: it overwrites slots when it starts and empties them when it ends.

#pragma once

#include <base/unique_fd.h>

#include <cstdint>
#include <vector>

namespace xdpcap::test {

class ForeignTool {
 public:
  /// Programs for every slot, which count and return the action of the slot.
  explicit ForeignTool(int hook_fd);
  void put(std::uint32_t slot) const;
  void remove(std::uint32_t slot) const;
  void put_everywhere() const;
  void remove_everywhere() const;
  bool is_in(std::uint32_t slot) const;
  bool is_anywhere() const;
  /// Packets, over all slots.
  std::uint64_t received() const;

 private:
  int hook_fd_;
  UniqueFd counters_;
  std::vector<UniqueFd> programs_;
  std::vector<std::uint32_t> ids_;
};

}  // namespace xdpcap::test
