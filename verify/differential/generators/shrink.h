// SPDX-License-Identifier: BSD-3-Clause
//
// Makes a failing program small: what is printed should be what somebody has to think about.

#pragma once

#include <cbpfc/cbpf.h>

#include <functional>

#include "verify/differential/engines/engines.h"

namespace differential {

/// Whether a program still fails in the way that matters.
using StillFails = std::function<bool(const cbpfc::Filter&)>;

/// Removes instructions and simplifies those left for as long as `fails` says so, for a minute at most.
/// Requires: fails(filter).
cbpfc::Filter shrink(const cbpfc::Filter& filter, const StillFails& fails);

/// Cuts the packet and clears bytes likewise.
Packet shrink(const Packet& packet, const std::function<bool(const Packet&)>& fails);

}  // namespace differential
