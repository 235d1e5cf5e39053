// SPDX-License-Identifier: BSD-3-Clause
//
// Reading and writing the memory that captures share (chain_state.h): one aligned number at a time, so that programs and
// other processes see the old or the new one.

#pragma once

#include <atomic>

#include "attach/chain_records.h"

namespace xdpcap {

template <typename Number>
Number get(Number& shared) {
  return std::atomic_ref<Number>(shared).load(std::memory_order_acquire);
}

template <typename Number>
void set(Number& shared, Number value) {
  std::atomic_ref<Number>(shared).store(value, std::memory_order_release);
}

/// CLOCK_MONOTONIC.
std::uint64_t monotonic_ns();

/// Fills all of a record but its state.
void describe(chain::Member& place, const ChainMember& member);

}  // namespace xdpcap
