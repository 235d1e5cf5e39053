// SPDX-License-Identifier: BSD-3-Clause
//
// The capture program, in instructions.
//
//     R6  context                      R8  captured bytes; while the filter runs, the length
//     R7  this CPU's counters          R9  the record, or the shared ring it goes to
//     R10-4  key: the action, then the CPU     R10-8  wire length     R10-16  this CPU's BPF ring buffer
//     below: scratch slots of the fragment, then what limits and record need
//
// The counters are read and written without atomic operations: they are this CPU's own, and XDP
// programs do not interrupt each other on one CPU.
//
// Cost: some 60 instructions for a packet that is recorded, and the helpers; about 12 and one map
// lookup for one that does not match.
// Limits: where packets may have several buffers, Linux 5.18, which is the first with such packets.
// Source: Linux v6.18 include/uapi/linux/bpf.h.
// Tested by: xdpcap/tests/hook/capture_program_test.cc, xdpcap/tests/kernel/hook/capture_program_test.cc.

#include "xdpcap/program/capture_program.h"

#include <fmt/core.h>

#include "xdpcap/program/abi.h"
#include "xdpcap/program/chain_code.h"
#include "xdpcap/program/filter_code.h"
#include "xdpcap/program/helpers.h"
#include "xdpcap/program/limit_code.h"
#include "xdpcap/program/record_code.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): an assembler reads better
                              // bare
using abi::Counters;

constexpr Reg kContext = Reg::R6;
constexpr Reg kCounters = Reg::R7;
constexpr Reg kCaptured = Reg::R8;
constexpr Reg kRecord = Reg::R9;

constexpr std::int16_t kKeySlot = -4;
constexpr std::int16_t kWireLengthSlot = -8;
constexpr std::int16_t kRingSlot = -16;
constexpr std::uint32_t kOwnStackBytes = 16;
/// Where the fragment's scratch slots were: it is done when the limits come, and they when the record comes.
constexpr std::int16_t kFreeSlots = -16;
constexpr std::int16_t kLimitsSlot = kFreeSlots - 8;

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
  code.jump_if(Cmp::Equal, Reg::R0, 0,
               "return");  // never: the key is in range, but it must be asked
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
          .asks_for_length = asks_for_length(spec.transport.transport, spec.multi_buffer),
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

RecordCodeSpec record_spec(const CaptureProgramSpec& spec) {
  return {.transport = spec.transport,
          .action = spec.action,
          .snaplen_bytes = spec.snaplen_bytes,
          .watermark_bytes = spec.watermark_bytes,
          .multi_buffer = spec.multi_buffer,
          .rings_fd = spec.rings_fd,
          .ring_bytes = spec.ring_bytes,
          .wakeup_fd = spec.wakeup_fd,
          .context = kContext,
          .counters = kCounters,
          .captured = kCaptured,
          .record = kRecord,
          .key_slot = kKeySlot,
          .length_slot = kWireLengthSlot,
          .ring_slot = kRingSlot,
          .stack_top = kFreeSlots,
          .recorded_label = "out"};
}

void emit_not_recorded(Assembly& code, const CaptureProgramSpec& spec) {
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

// The end of every packet: on to the next capture, if there is one.
void emit_out(Assembly& code, const CaptureProgramSpec& spec) {
  const HandOnSpec hand_on{.action = spec.action,
                           .position = spec.position,
                           .state_fd = spec.chain_state_fd,
                           .programs_fd = spec.chain_programs_fd,
                           .context = kContext};
  code.label("out");
  if (spec.chain_state_fd >= 0) {
    emit_ask_next(code, hand_on, "chain");
  }
  code.label("return");
  code.add(mov(Reg::R0, static_cast<std::int32_t>(index(spec.action))));
  code.add(exit_insn());
  if (spec.chain_state_fd >= 0) {
    code.label("chain");
    emit_hand_on(code, hand_on);
    count(code, offsetof(Counters, tail_call_failures));
    code.jump("return");
  }
}

Result<void> check(const CaptureProgramSpec& spec) {
  if (spec.snaplen_bytes == 0 || spec.snaplen_bytes > abi::kMaxCapturedBytes) {
    return fail(Errc::InvalidArgument, fmt::format("snap length {}: must be 1 to {} bytes",
                                                   spec.snaplen_bytes, abi::kMaxCapturedBytes));
  }
  return {};
}

}  // namespace

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
    emit_record(code, record_spec(spec));
    emit_not_recorded(code, spec);
  } else if (spec.whole_packets_fd >= 0) {
    code.jump("out");
  }
  TRY(emit_filter_of_whole_packets(code, filter, filter_spec(spec)));
  emit_out(code, spec);
  return code.assemble();
}

}  // namespace xdpcap
