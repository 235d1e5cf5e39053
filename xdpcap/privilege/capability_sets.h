// SPDX-License-Identifier: BSD-3-Clause
//
// Giving capabilities away for good.
//
//     set            afterwards
//     permitted      those kept, as far as they were there
//     effective      the same
//     inheritable    none
//     ambient        none
//     bounding       none, if the thread may drop from it (CAP_SETPCAP); no_new_privs makes up for it if not
//     no_new_privs   set: no execve(2) gives anything, not of a set-user-id program either
//
// Capabilities belong to a thread.  All this is done to the calling thread, and threads take over from the
// one that makes them; so it has to be done before the first is made.
//
// Source: Linux capabilities(7), prctl(2); v6.18 security/commoncap.c.
// Tested by: xdpcap/tests/privilege/reduce_test.cc.

#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "xdpcap/kernel/errors.h"

namespace xdpcap {

/// The sets of the calling thread, bit N for capability N.
struct CapabilitySets {
  std::uint64_t effective = 0;
  std::uint64_t permitted = 0;
  std::uint64_t inheritable = 0;
  bool operator==(const CapabilitySets&) const = default;
};
Result<CapabilitySets> capability_sets();

/// Leaves the calling thread `kept`, of those that it has.
/// Errors: Errc::Kernel; the thread then has what it had, or less.
Result<void> keep_capabilities(std::span<const Capability> kept);

/// Takes all that it may out of the calling thread's bounding set.
Result<void> empty_bounding_set();

}  // namespace xdpcap
