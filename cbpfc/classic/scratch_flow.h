// SPDX-License-Identifier: BSD-3-Clause
//
// Which reads of scratch memory the kernel refuses: those of a slot that, on the kernel's reading of the
// control flow, some path has not written.
//
// A walk in program order.  What a jump's source had written is remembered at its target; control flow
// that ends in a return still counts as falling through, as it does in the kernel.  Where jumps go
// backwards, which the kernel does not have, the walk is repeated until nothing changes.
//
// Source: Linux v6.18 net/core/filter.c check_load_and_stores().
// Tested by: cbpf_decode_test.cc, pcap_filter_test.cc, verify/differential/accept_test.cc.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <span>
#include <vector>

namespace cbpfc {

struct UnsetRead {
  std::size_t pc;
  std::uint8_t slot;
};

/// The refused reads in program order, but for those of slots that do not exist.
/// Requires: every jump stays inside the program.
std::vector<UnsetRead> unset_scratch_reads(std::span<const RawInsn> program);

}  // namespace cbpfc
