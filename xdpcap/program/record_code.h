// SPDX-License-Identifier: BSD-3-Clause
//
// The instructions of a capture program that hand a packet to user space.
//
//     length = all of the packet's buffers          captured = min(length, snap length)
//     reserve a record in this CPU's ring           no room: lost
//     header {time, lengths, interface, queue, ...}, then the bytes
//     submit, and wake the reader if it is time
//
// Five ways (transport.h):
//
// Shared.  The ring is ours (shared_ring.h, record_shared.cc), and so are its rules.  The others:
//
// Size classes.  bpf_ringbuf_reserve() wants a size that is constant on each path through the program.  So the
// captured length is looked up, by halves, in 64, 96, 128 ... 512, 576 ... 1024, 1152 ... and the snap length; each
// ends in a constant for the size, and all of them lead to one tail.  The verifier walks the tail once a class and
// sees each time a length that fits the record.  A record has at most 32 bytes or an eighth more than it needs.
//
// Powers of two as the only classes cost a packet of 1,500 bytes 65 ns more: then records of large packets all lie at
// the same places of the cache.
//
// Linear.  The same where there is no bpf_xdp_load_bytes(): bpf_probe_read_kernel() copies what lies between data and
// data_end.
//
// Dynptr.  The record has the packet's size, whatever it is; the kernel checks at run time what the verifier checks
// else, which takes two calls more and costs a packet of 64 bytes 60 to 70 ns (docs/performance.md).
//
// Perf.  The header is made on the stack, and bpf_perf_event_output() copies it and the packet.  A sample's size is a
// 16-bit number that the kernel lets overflow, so the captured length is cut below that.
//
// Time.  Each CPU has a ring of its own, and XDP programs do not interrupt each other there, so its records
// are in the order of their times.  The clock is read before or right after the place is taken; the reader's look-back
// (time_order.h) covers the instructions from there until the record can be seen.
//
// Waking the reader.  With a watermark, the record that lifts the ring over it wakes the reader, and no
// other: below, the reader sleeps on purpose; above, it has been woken, and an interrupt for each
// packet would only put it further behind (a forced wake-up costs microseconds).  "The record that
// lifts" is told by the fill it leaves, less than its own largest size above the watermark; so a second
// one may wake.  For what stays below, a reader must look at the ring now and then by itself; capture_loop
// does, every 100 ms.  Without a watermark the kernel decides: it wakes a reader that had read everything.  A perf
// buffer has its watermark from its creation.
//
// Source: Linux v6.18 kernel/bpf/ringbuf.c bpf_ringbuf_commit(), kernel/bpf/helpers.c bpf_dynptr_copy(),
// kernel/trace/bpf_trace.c bpf_perf_event_output(), kernel/events/core.c perf_prepare_sample().
// Tested by: xdpcap/tests/kernel/hook/capture_program_test.cc, xdpcap/tests/kernel/hook/transport_test.cc.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>
#include <string>

#include "xdpcap/kernel/action.h"
#include "xdpcap/program/transport.h"

namespace xdpcap {

/// Where the code finds what it needs.
struct RecordCodeSpec {
  ChosenTransport transport;
  Action action = Action::Pass;
  std::uint32_t snaplen_bytes = 65535;
  std::uint32_t watermark_bytes = 1;
  bool multi_buffer = false;     ///< whether packets may have several buffers
  int rings_fd = -1;             ///< RingSet::map_fd()
  std::uint64_t ring_bytes = 0;  ///< of each, of Transport::Shared
  int wakeup_fd = -1;            ///< RingSet::wakeup_fd(), of Transport::Shared
  cbpfc::ebpf::Reg context = cbpfc::ebpf::Reg::R6;
  cbpfc::ebpf::Reg counters = cbpfc::ebpf::Reg::R7;  ///< this CPU's abi::Counters
  cbpfc::ebpf::Reg captured = cbpfc::ebpf::Reg::R8;  ///< to overwrite
  cbpfc::ebpf::Reg record = cbpfc::ebpf::Reg::R9;    ///< to overwrite
  std::int16_t key_slot = -4;                        ///< on the stack, four bytes to overwrite
  std::int16_t length_slot = -8;                     ///< the same
  std::int16_t ring_slot = -16;                      ///< eight bytes
  std::int16_t stack_top = -16;                      ///< 32 bytes to overwrite below that
  std::string recorded_label;
};

/// Appends the code.  It goes to recorded_label, and on behind itself where the packet is lost.  Overwrites R0 to R5.
void emit_record(cbpfc::ebpf::Assembly& code, const RecordCodeSpec& spec);

/// Most bytes of a ring that one packet can take at this snap length.
/// Source: Linux v6.18 kernel/bpf/ringbuf.c __bpf_ringbuf_reserve().
std::uint32_t largest_record_bytes(std::uint32_t snaplen_bytes);

}  // namespace xdpcap
