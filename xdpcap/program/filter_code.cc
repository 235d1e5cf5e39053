// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/filter_code.h"

#include <cbpfc/compile.h>

#include <optional>

#include "xdpcap/program/abi.h"
#include "xdpcap/program/helpers.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): as in capture_program.cc
using cbpfc::Result;

constexpr const char* kWholeLabel = "whole_packet";

bool has_several_buffers(const FilterCodeSpec& spec) {
  return spec.whole_packets_fd >= 0;
}

void call_buff_len(Assembly& code, const FilterCodeSpec& spec) {
  code.add(mov(Reg::R1, spec.context));
  code.add(call(helper::kXdpGetBuffLen));
}

/// Copies the packet; leaves the copy in `spare`, its bytes in `length`.
void emit_copy(Assembly& code, const FilterCodeSpec& spec) {
  code.add(store(Width::Word, Reg::R10, spec.length_slot, Reg::R0));
  code.add(mov(spec.length, Reg::R0));
  code.jump_if(Cmp::LessEqual, spec.length, static_cast<std::int32_t>(abi::kMaxCapturedBytes),
               "whole_fits");
  code.add(mov(spec.length, static_cast<std::int32_t>(abi::kMaxCapturedBytes)));
  code.label("whole_fits");
  code.jump_if(Cmp::Less, spec.length, 1, spec.no_match_label);
  code.add(call(helper::kGetSmpProcessorId));
  code.add(store(Width::Word, Reg::R10, spec.key_slot, Reg::R0));
  code.add(mov(Reg::R2, Reg::R10));
  code.add(alu(Alu::Add, Reg::R2, spec.key_slot));
  code.add_map_fd(Reg::R1, spec.whole_packets_fd);
  code.add(call(helper::kMapLookupElem));
  code.jump_if(Cmp::Equal, Reg::R0, 0, spec.match_label);  // see whole_packets_fd
  code.add(mov(spec.spare, Reg::R0));
  code.add(mov(Reg::R1, spec.context));
  code.add(mov(Reg::R2, 0));
  code.add(mov(Reg::R3, spec.spare));
  code.add(mov(Reg::R4, spec.length));
  code.add(call(helper::kXdpLoadBytes));
  code.jump_if(Cmp::NotEqual, Reg::R0, 0, spec.no_match_label);
}

}  // namespace

Result<void> emit_filter(Assembly& code, const cbpfc::Filter& filter, const FilterCodeSpec& spec) {
  const bool wants_length = cbpfc::reads_length(filter);
  if (wants_length && spec.asks_for_length) {  // of all buffers
    call_buff_len(code, spec);
    code.add(mov(spec.length, Reg::R0));
  }
  code.add(load(Width::Word, Reg::R2, spec.context, context::kData));
  code.add(load(Width::Word, Reg::R3, spec.context, context::kDataEnd));
  if (wants_length && !spec.asks_for_length) {
    code.add(mov(spec.length, Reg::R3));
    code.add(alu(Alu::Sub, spec.length, Reg::R2));
  }
  code.append(TRY(cbpfc::compile_ebpf(
      filter, {.packet_start = Reg::R2,
               .packet_end = Reg::R3,
               .working = {Reg::R0, Reg::R1, Reg::R4, Reg::R5},
               .label_prefix = "filter",
               .stack_offset_bytes = spec.stack_bytes,
               .packet_length = wants_length ? std::optional(spec.length) : std::nullopt,
               .ancillary = {.from_frame = true, .context = spec.context},
               .spare = {spec.spare},
               .match_label = spec.match_label,
               .no_match_label = has_several_buffers(spec) ? kWholeLabel : spec.no_match_label})));
  return {};
}

Result<void> emit_filter_of_whole_packets(Assembly& code, const cbpfc::Filter& filter,
                                          const FilterCodeSpec& spec) {
  if (!has_several_buffers(spec)) {
    return {};
  }
  code.label(kWholeLabel);
  call_buff_len(code, spec);
  code.add(load(Width::Word, Reg::R1, spec.context, context::kData));
  code.add(load(Width::Word, Reg::R2, spec.context, context::kDataEnd));
  code.add(alu(Alu::Sub, Reg::R2, Reg::R1));
  code.jump_if(Cmp::Equal, Reg::R0, Reg::R2, spec.no_match_label);
  emit_copy(code, spec);
  const bool wants_length = cbpfc::reads_length(filter);
  if (wants_length) {
    code.add(load(Width::Word, Reg::R2, Reg::R10, spec.length_slot));
  }
  code.append(TRY(cbpfc::compile_ebpf(
      filter, {.packet_start = spec.spare,
               .packet_end = spec.length,
               .working = {Reg::R0, Reg::R1, Reg::R4, Reg::R5},
               .label_prefix = "whole",
               .stack_offset_bytes = spec.stack_bytes,
               .packet_length = wants_length ? std::optional(Reg::R2) : std::nullopt,
               .access = cbpfc::PacketAccess::Buffer,
               .buffer_size_bytes = abi::kMaxCapturedBytes,
               .ancillary = {.from_frame = true, .context = spec.context},
               .match_label = spec.match_label,
               .no_match_label = spec.no_match_label})));
  return {};
}

}  // namespace xdpcap
