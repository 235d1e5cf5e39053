// SPDX-License-Identifier: BSD-3-Clause
//
// The capture program, in instructions.
//
//     R6  context                      R8  captured bytes; while the filter runs, the length
//     R7  this CPU's counters          R9  record, from its reservation to its submission
//     R10-4  key: the action, then the CPU     R10-8  wire length     R10-16  this CPU's ring
//     below: scratch slots of the fragment
//
// Size classes.  bpf_ringbuf_reserve() wants a size that is constant on each path through the
// program.  So the captured length is compared with 64, 128, ... 32768 and the snap length; each
// comparison has a constant for the size in front of it, and all of them lead to one tail.  The
// verifier walks the tail once a class and sees each time a length that fits the record.  A record
// wastes less than half of its bytes.
//
// Time.  Each CPU has a ring of its own, and XDP programs do not interrupt each other there, so its records
// are in the order of their times.  The clock is read right after the reservation: what is not yet in the ring
// when the reader looks is then younger than the look.
//
// Waking the reader.  With a watermark, the record that lifts the ring over it wakes the reader, and no
// other: below, the reader sleeps on purpose; above, it has been woken, and an interrupt for each
// packet would only put it further behind (a forced wake-up costs microseconds).  "The record that
// lifts" is told by the fill it leaves, less than its own largest size above the watermark; so a second
// one may wake.  For what stays below, a reader must look at the ring now and then by itself; capture_loop
// does, every 100 ms.  Without a watermark the kernel decides: it wakes a reader that had read everything.
//
// The counters are read and written without atomic operations: they are this CPU's own, and XDP
// programs do not interrupt each other on one CPU.
//
// Cost: some 60 instructions for a packet that is recorded, and the helpers; about 12 and one map
// lookup for one that does not match.
// Limits: Linux 5.18 (bpf_xdp_get_buff_len, bpf_xdp_load_bytes).
// Source: Linux v6.18 include/uapi/linux/bpf.h; kernel/bpf/ringbuf.c bpf_ringbuf_commit().
// Tested by: tests/unit/attach/capture_program_test.cc, tests/kernel/capture_program_test.cc.

#include "attach/capture_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "attach/abi.h"
#include "attach/context.h"
#include "attach/filter_code.h"
#include "attach/helpers.h"
#include "attach/limit_code.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): an assembler reads better
                              // bare
using abi::Counters;
using abi::RecordHeader;

/// Source: Linux v6.18 include/uapi/linux/bpf.h BPF_RB_*.
constexpr std::int32_t kRingNoWakeup = 1;
constexpr std::int32_t kRingForceWakeup = 2;
constexpr std::int32_t kRingAvailableData = 0;

constexpr Reg kContext = Reg::R6;
constexpr Reg kCounters = Reg::R7;
constexpr Reg kCaptured = Reg::R8;
constexpr Reg kRecord = Reg::R9;

constexpr std::int16_t kKeySlot = -4;
constexpr std::int16_t kWireLengthSlot = -8;
constexpr std::int16_t kRingSlot = -16;
constexpr std::uint32_t kOwnStackBytes = 16;
/// Where the fragment's scratch slots were: it is done when the limits come.
constexpr std::int16_t kLimitsSlot = -24;

constexpr std::array<std::uint32_t, 10> kSizeClasses = {64,   128,  256,  512,   1024,
                                                        2048, 4096, 8192, 16384, 32768};

template <typename T>
constexpr std::int16_t at(T offset) {
  return static_cast<std::int16_t>(offset);
}

void count(Assembly& code, std::size_t counter_offset) {
  code.add(load(Width::Double, Reg::R1, kCounters, at(counter_offset)));
  code.add(alu(Alu::Add, Reg::R1, 1));
  code.add(store(Width::Double, kCounters, at(counter_offset), Reg::R1));
}

/// Keeps the context, finds the counters and counts the packet as received.
void emit_prologue(Assembly& code, const CaptureProgramSpec& spec) {
  code.add(mov(kContext, Reg::R1));
  code.add(store(Width::Word, Reg::R10, kKeySlot, static_cast<std::int32_t>(index(spec.action))));
  code.add(mov(Reg::R2, Reg::R10));
  code.add(alu(Alu::Add, Reg::R2, kKeySlot));
  code.add_map_fd(Reg::R1, spec.counters_fd);
  code.add(call(helper::kMapLookupElem));
  code.jump_if(Cmp::Equal, Reg::R0, 0, "out");  // never: the key is in range, but it must be asked
  code.add(mov(kCounters, Reg::R0));
  count(code, offsetof(Counters, received));
}

FilterCodeSpec filter_spec(const CaptureProgramSpec& spec) {
  return {.whole_packets_fd = spec.whole_packets_fd,
          .context = kContext,
          .length = kCaptured,
          .spare = kRecord,
          .key_slot = kKeySlot,
          .length_slot = kWireLengthSlot,
          .stack_bytes = kOwnStackBytes,
          .match_label = "match",
          .no_match_label = "out"};
}

LimitCodeSpec limit_spec(const CaptureProgramSpec& spec) {
  return {.limits = spec.limits,
          .action = spec.action,
          .counters = kCounters,
          .kept = kCaptured,
          .context = kContext,
          .shared_fd = spec.shared_limits_fd,
          .flows_fd = spec.flows_fd,
          .stack_offset = kLimitsSlot,
          .held_back_label = "held_back"};
}

/// kCaptured = min(length, snap length), proven to be at least 1.
void emit_lengths(Assembly& code, std::uint32_t snaplen_bytes) {
  code.add(mov(Reg::R1, kContext));
  code.add(call(helper::kXdpGetBuffLen));
  code.add(store(Width::Word, Reg::R10, kWireLengthSlot, Reg::R0));
  code.add(mov(kCaptured, Reg::R0));
  code.jump_if(Cmp::LessEqual, kCaptured, static_cast<std::int32_t>(snaplen_bytes), "fits");
  code.add(mov(kCaptured, static_cast<std::int32_t>(snaplen_bytes)));
  code.label("fits");
  code.jump_if(Cmp::Less, kCaptured, 1, "lost");
}

/// Leaves the CPU's number in kKeySlot and its ring in kRingSlot.
void emit_find_ring(Assembly& code, const CaptureProgramSpec& spec) {
  code.add(call(helper::kGetSmpProcessorId));
  code.add(store(Width::Word, Reg::R10, kKeySlot, Reg::R0));
  code.add(mov(Reg::R2, Reg::R10));
  code.add(alu(Alu::Add, Reg::R2, kKeySlot));
  code.add_map_fd(Reg::R1, spec.rings_fd);
  code.add(call(helper::kMapLookupElem));
  code.jump_if(Cmp::Equal, Reg::R0, 0, "lost");  // never: each possible CPU has one
  code.add(store(Width::Double, Reg::R10, kRingSlot, Reg::R0));
}

void emit_reserve(Assembly& code, const CaptureProgramSpec& spec) {
  for (const std::uint32_t size_class : kSizeClasses) {
    if (size_class >= spec.snaplen_bytes) {
      break;
    }
    code.add(mov(Reg::R2, static_cast<std::int32_t>(sizeof(RecordHeader) + size_class)));
    code.jump_if(Cmp::LessEqual, kCaptured, static_cast<std::int32_t>(size_class), "reserve");
  }
  code.add(mov(Reg::R2, static_cast<std::int32_t>(sizeof(RecordHeader) + spec.snaplen_bytes)));
  code.label("reserve");
  code.add(load(Width::Double, Reg::R1, Reg::R10, kRingSlot));
  code.add(mov(Reg::R3, 0));
  code.add(call(helper::kRingbufReserve));
  code.jump_if(Cmp::Equal, Reg::R0, 0, "lost");
  code.add(mov(kRecord, Reg::R0));
}

void emit_header(Assembly& code, Action action) {
  const auto put = [&code](std::size_t offset, Reg value, Width width = Width::Word) {
    code.add(store(width, kRecord, at(offset), value));
  };
  code.add(call(helper::kKtimeGetNs));
  put(offsetof(RecordHeader, ktime_ns), Reg::R0, Width::Double);
  code.add(load(Width::Double, Reg::R1, kCounters, at(offsetof(Counters, lost))));
  put(offsetof(RecordHeader, lost_packets), Reg::R1, Width::Double);
  code.add(load(Width::Word, Reg::R1, Reg::R10, kWireLengthSlot));
  put(offsetof(RecordHeader, wire_length_bytes), Reg::R1);
  put(offsetof(RecordHeader, captured_bytes), kCaptured);
  code.add(load(Width::Word, Reg::R1, kContext, context::kIngressIfindex));
  put(offsetof(RecordHeader, ifindex), Reg::R1);
  code.add(load(Width::Word, Reg::R1, kContext, context::kRxQueueIndex));
  put(offsetof(RecordHeader, rx_queue), Reg::R1);
  code.add(store(Width::Word, kRecord, at(offsetof(RecordHeader, action)),
                 static_cast<std::int32_t>(index(action))));
  code.add(load(Width::Word, Reg::R1, Reg::R10, kKeySlot));
  put(offsetof(RecordHeader, cpu), Reg::R1);
}

void emit_bytes(Assembly& code) {
  code.add(mov(Reg::R1, kContext));
  code.add(mov(Reg::R2, 0));
  code.add(mov(Reg::R3, kRecord));
  code.add(alu(Alu::Add, Reg::R3, static_cast<std::int32_t>(sizeof(RecordHeader))));
  code.add(mov(Reg::R4, kCaptured));
  code.add(call(helper::kXdpLoadBytes));
  code.jump_if(Cmp::NotEqual, Reg::R0, 0, "discard");
}

/// Leaves the flags for bpf_ringbuf_submit() in R2.
void emit_wakeup(Assembly& code, const CaptureProgramSpec& spec) {
  if (spec.watermark_bytes <= 1) {
    code.add(mov(Reg::R2, 0));
    return;
  }
  code.add(load(Width::Double, Reg::R1, Reg::R10, kRingSlot));
  code.add(mov(Reg::R2, kRingAvailableData));
  code.add(call(helper::kRingbufQuery));
  code.add(mov32(Reg::R1, spec.watermark_bytes));
  code.add(alu(Alu::Sub, Reg::R0, Reg::R1));  // below the watermark: wraps to a huge number
  code.add(mov(Reg::R2, kRingForceWakeup));
  // The largest size the record can have: a size class is less than twice the bytes, or the smallest.
  code.add(mov(Reg::R1, kCaptured));
  code.add(alu(Alu::Lsh, Reg::R1, 1));
  code.add(
      alu(Alu::Add, Reg::R1, static_cast<std::int32_t>(largest_record_bytes(kSizeClasses[0]))));
  code.jump_if(Cmp::LessEqual, Reg::R0, Reg::R1, "submit");
  code.add(mov(Reg::R2, kRingNoWakeup));
}

void emit_exits(Assembly& code, const CaptureProgramSpec& spec) {
  code.label("submit");
  code.add(mov(Reg::R1, kRecord));
  code.add(call(helper::kRingbufSubmit));
  code.jump("out");

  code.label("discard");
  code.add(mov(Reg::R1, kRecord));
  code.add(mov(Reg::R2, kRingNoWakeup));
  code.add(call(helper::kRingbufDiscard));

  code.label("lost");
  count(code, offsetof(Counters, lost));
  emit_give_back(code, limit_spec(spec));
  if (code.jumps_to(
          "held_back")) {  // -sample 1 holds nothing back, and the verifier wants no dead code
    code.jump("out");
    code.label("held_back");
    count(code, offsetof(Counters, held_back));
  }
  if (spec.whole_packets_fd >= 0) {
    code.jump("out");
  }
}

void emit_return(Assembly& code, Action action) {
  code.label("out");
  code.add(mov(Reg::R0, static_cast<std::int32_t>(index(action))));
  code.add(exit_insn());
}

Result<void> check(const CaptureProgramSpec& spec) {
  if (spec.snaplen_bytes == 0 || spec.snaplen_bytes > abi::kMaxCapturedBytes) {
    return fail(Errc::InvalidArgument, fmt::format("snap length {}: must be 1 to {} bytes",
                                                   spec.snaplen_bytes, abi::kMaxCapturedBytes));
  }
  return {};
}

}  // namespace

std::uint32_t largest_record_bytes(std::uint32_t snaplen_bytes) {
  constexpr std::uint32_t kRingHeaderBytes = 8;
  constexpr std::uint32_t kAlignmentBytes = 8;
  const auto bytes = static_cast<std::uint32_t>(sizeof(RecordHeader)) + snaplen_bytes;
  return (bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes + kRingHeaderBytes;
}

Result<std::vector<Insn>> build_capture_program(const cbpfc::Filter& filter,
                                                const CaptureProgramSpec& spec) {
  TRY(check(spec));
  Assembly code;
  emit_prologue(code, spec);
  TRY(emit_filter(code, filter, filter_spec(spec)));
  code.label("match");
  count(code, offsetof(Counters, matched));
  if (!spec.counts_only) {
    emit_limits(code, limit_spec(spec));
    emit_find_ring(code, spec);
    emit_lengths(code, spec.snaplen_bytes);
    emit_reserve(code, spec);
    emit_header(code, spec.action);
    emit_bytes(code);
    emit_wakeup(code, spec);
    emit_exits(code, spec);
  } else if (spec.whole_packets_fd >= 0) {
    code.jump("out");
  }
  TRY(emit_filter_of_whole_packets(code, filter, filter_spec(spec)));
  emit_return(code, spec.action);
  return code.assemble();
}

}  // namespace xdpcap
