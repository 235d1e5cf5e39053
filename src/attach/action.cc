// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: tests/unit/attach/action_test.cc.

#include "attach/action.h"

namespace xdpcap {
namespace {

constexpr std::array<std::string_view, kActions.size()> kNames = {
    "XDPAborted", "XDPDrop", "XDPPass", "XDPTx", "XDPRedirect"};

}  // namespace

std::string_view name(Action action) {
  return kNames[index(action)];
}

}  // namespace xdpcap
