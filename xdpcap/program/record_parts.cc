// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/record_parts.h"

#include "xdpcap/program/abi.h"
#include "xdpcap/program/context.h"
#include "xdpcap/program/helpers.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): as in capture_program.cc
using abi::Counters;
using abi::RecordHeader;

/// dst = bytes between data and data_end; overwrites `other`.
void emit_first_buffer_length(Assembly& code, const RecordCodeSpec& spec, Reg dst, Reg other) {
  code.add(load(Width::Word, dst, spec.context, context::kDataEnd));
  code.add(load(Width::Word, other, spec.context, context::kData));
  code.add(alu(Alu::Sub, dst, other));
}

}  // namespace

void point_to_stack(Assembly& code, Reg reg, std::int16_t slot) {
  code.add(mov(reg, Reg::R10));
  code.add(alu(Alu::Add, reg, slot));
}

void emit_lengths(Assembly& code, const RecordCodeSpec& spec, std::uint32_t snaplen_bytes) {
  const Reg captured = spec.captured;
  if (asks_for_length(spec.transport.transport, spec.multi_buffer)) {
    code.add(mov(Reg::R1, spec.context));
    code.add(call(helper::kXdpGetBuffLen));
    code.add(mov(captured, Reg::R0));
  } else {
    emit_first_buffer_length(code, spec, captured, Reg::R1);
  }
  code.add(store(Width::Word, Reg::R10, spec.length_slot, captured));
  if (spec.multi_buffer && spec.transport.transport == Transport::Linear) {
    emit_first_buffer_length(code, spec, captured, Reg::R1);
  }
  code.jump_if(Cmp::LessEqual, captured, static_cast<std::int32_t>(snaplen_bytes), "fits");
  code.add(mov(captured, static_cast<std::int32_t>(snaplen_bytes)));
  code.label("fits");
  code.jump_if(Cmp::Less, captured, 1, kLostLabel);
}

void emit_find_ring(Assembly& code, const RecordCodeSpec& spec) {
  code.add(call(helper::kGetSmpProcessorId));
  code.add(store(Width::Word, Reg::R10, spec.key_slot, Reg::R0));
  point_to_stack(code, Reg::R2, spec.key_slot);
  code.add_map_fd(Reg::R1, spec.rings_fd);
  code.add(call(helper::kMapLookupElem));
  code.jump_if(Cmp::Equal, Reg::R0, 0,
               kLostLabel);  // a CPU that came with the capture running has none
}

void emit_header(Assembly& code, const RecordCodeSpec& spec, Reg base, std::int16_t offset,
                 Reg time) {
  const auto put = [&](Width width, std::size_t field, Reg value) {
    code.add(
        store(width, base, static_cast<std::int16_t>(offset + static_cast<int>(field)), value));
  };
  put(Width::Double, offsetof(RecordHeader, ktime_ns), time);
  code.add(load(Width::Word, Reg::R1, spec.counters, offsetof(Counters, lost)));
  put(Width::Word, offsetof(RecordHeader, lost_packets), Reg::R1);
  code.add(load(Width::Word, Reg::R1, spec.context, context::kIngressIfindex));
  put(Width::Word, offsetof(RecordHeader, ifindex), Reg::R1);
  code.add(load(Width::Word, Reg::R1, Reg::R10, spec.length_slot));
  code.add(alu(Alu::Or, Reg::R1, static_cast<std::int32_t>(index(spec.action)) << 24));
  put(Width::Word, abi::kWireLengthOffset, Reg::R1);
  put(Width::Half, offsetof(RecordHeader, captured_bytes), spec.captured);
  code.add(load(Width::Word, Reg::R1, spec.context, context::kRxQueueIndex));
  put(Width::Half, offsetof(RecordHeader, rx_queue), Reg::R1);
}

}  // namespace xdpcap
