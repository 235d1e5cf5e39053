// SPDX-License-Identifier: BSD-3-Clause
//
// The instructions of a capture program that hold packets back.
//
// Sampling.  A linear congruential generator modulo 2^64 for each CPU and action (Counters::random): a packet is kept
// if the new state is below 2^64 / N.  User space seeds it with 64 random bits, so the first packet, too, is kept with
// probability 1 / N.  No helper is called.
//
// Rate.  One number an action: the time up to which its packets are spent (the theoretical arrival time of the
// generic cell rate algorithm).  A packet costs 1 s / N; it passes if that time is not after now:
//
//     spent                                     now
//      |------ burst: a tenth of a second -------|      at most this far behind; else it is moved up
//      |--1/N--|--1/N--|                                two packets passed
//
// So after a pause a tenth of N packets pass at once, and in no second more than N and such a burst.  When packets
// are held back the number is only read, so CPUs do not take its cache line from each other.  A packet that passes
// adds to it atomically and looks at what was there: when another CPU took the last one meanwhile, it puts its
// share back and is held back.  The clock is the coarse one, which steps every tick (1 to 10 ms).  Even that costs
// more than all the rest, so it is read once a tick and CPU; bpf_jiffies64(), which the kernel makes a load of, tells
// whether there has been a tick.  A reading just before the clock follows its tick is a tick late, which a burst
// makes up for.
//
// Flows.  A hash map that forgets the least recently used, from flow to packets seen.  A flow's first packet puts it
// there; of two CPUs that do so at once, the second adds to what the first has put.
//
// Count.  One number for all: how many have passed.  Also read first; a packet that passes and then finds no room
// in the ring puts its place back, so that exactly as many as asked for are recorded in the end.
//
// Cost above an empty hook (Linux 6.18, docs/performance.md): a packet held back by sampling 4 ns, by a rate 3 ns,
// by its flow 40 ns, by a count that is reached 2 ns.
// Limits: Linux 5.12 (atomic operations with results), 5.11 (bpf_ktime_get_coarse_ns), 5.5 (bpf_jiffies64).
// Tested by: xdpcap/tests/kernel/hook/sample_test.cc, xdpcap/tests/kernel/end_to_end/limits_test.cc.

#pragma once

#include <cbpfc/ebpf.h>

#include <string>

#include "xdpcap/kernel/action.h"
#include "xdpcap/program/limits.h"

namespace xdpcap {

/// Where the code finds what it needs.
struct LimitCodeSpec {
  CaptureLimits limits;
  Action action = Action::Pass;
  cbpfc::ebpf::Reg counters = cbpfc::ebpf::Reg::R7;  ///< this CPU's abi::Counters
  cbpfc::ebpf::Reg kept = cbpfc::ebpf::Reg::R8;      ///< to overwrite; kept across helper calls
  cbpfc::ebpf::Reg context = cbpfc::ebpf::Reg::R6;
  int shared_fd = -1;  ///< array of one abi::SharedLimits, if needed
  int flows_fd = -1;   ///< LRU hash of 64-bit numbers, key abi::FlowKey, if needed
  std::int16_t stack_offset =
      -24;  ///< 48 bytes to overwrite from there down, if needed: a multiple of 8
  std::string held_back_label;
};

/// Goes on for packets that pass every limit, and to the label with the others.  Overwrites R0 to R5.
void emit_limits(cbpfc::ebpf::Assembly& code, const LimitCodeSpec& spec);

/// Undoes the count for a packet that passed and was then lost.  Overwrites R1 and R2.
void emit_give_back(cbpfc::ebpf::Assembly& code, const LimitCodeSpec& spec);

}  // namespace xdpcap
