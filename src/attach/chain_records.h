// SPDX-License-Identifier: BSD-3-Clause
//
// Who captures on a hook, read from the memory that captures share (chain_state.h).
//
// Any process that may use BPF may have written there: what is read is checked, and texts may be anything.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attach/chain_state.h"
#include "kernel/mapping.h"
#include "kernel/process.h"

namespace xdpcap {

/// A capture as the chain knows it.
struct ChainMember {
  std::uint32_t position = 0;
  chain::State state = chain::State::Free;
  ProcessIdentity process;
  std::uint64_t heartbeat_ns = 0;
  std::uint32_t user_id = 0;
  std::uint32_t told_by_pid = 0;
  chain::Reason told_why = chain::Reason::Detached;
  std::vector<Action> actions;
  std::string command_line;
  std::string filter;
};

/// Whether a capture's process lives; of another PID namespace: whether its guardian has written within ten seconds.
bool is_alive(const ChainMember& member);

class ChainRecords {
 public:
  ChainRecords() = default;  ///< to be assigned to

  /// Maps the memory behind a map.
  /// Errors: InvalidArgument when it is not that of a chain; Unsupported when it is of another version; Kernel.
  static Result<ChainRecords> map(int state_fd);

  std::uint32_t hook_map_id() const;
  std::uint32_t programs_map_id() const;
  std::vector<ChainMember> members() const;  ///< by position
  std::optional<ChainMember> member(std::uint32_t position) const;

  chain::ChainState& state() const;

 private:
  explicit ChainRecords(Mapping mapping) : mapping_(std::move(mapping)) {}
  Mapping mapping_{nullptr, Unmap{0}};
};

}  // namespace xdpcap
