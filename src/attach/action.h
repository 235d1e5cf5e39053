// SPDX-License-Identifier: BSD-3-Clause
//
// XDP actions: the return codes of XDP programs, which are also the indexes of a hook's slots.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/result.h"

namespace xdpcap {

/// Source: Linux include/uapi/linux/bpf.h enum xdp_action.
enum class Action : std::uint8_t { Aborted, Drop, Pass, Tx, Redirect };

inline constexpr std::array<Action, 5> kActions = {Action::Aborted, Action::Drop, Action::Pass,
                                                   Action::Tx, Action::Redirect};

constexpr std::size_t index(Action action) {
  return static_cast<std::size_t>(action);
}

/// "XDPAborted", "XDPDrop", "XDPPass", "XDPTx", "XDPRedirect".
std::string_view name(Action action);

}  // namespace xdpcap
