// SPDX-License-Identifier: BSD-3-Clause
//
// What the ways of record_code.h have in common.

#pragma once

#include <cbpfc/ebpf.h>

#include "xdpcap/program/abi.h"
#include "xdpcap/program/record_code.h"

namespace xdpcap {

/// Of abi::RecordHeader.
inline constexpr std::int32_t kHeaderBytes = sizeof(abi::RecordHeader);
/// The label behind the code, where lost packets go.
inline constexpr const char* kLostLabel = "lost";

/// reg = R10 + slot.
void point_to_stack(cbpfc::ebpf::Assembly& code, cbpfc::ebpf::Reg reg, std::int16_t slot);

/// spec.captured = min(length, snap length), proven to be at least 1; the length goes to spec.length_slot.
void emit_lengths(cbpfc::ebpf::Assembly& code, const RecordCodeSpec& spec,
                  std::uint32_t snaplen_bytes);

/// R0 = this CPU's value in the map of rings.
void emit_find_ring(cbpfc::ebpf::Assembly& code, const RecordCodeSpec& spec);

/// Fills the header at `base` plus `offset`, all but the time, which is in `time`.  Overwrites R1.
void emit_header(cbpfc::ebpf::Assembly& code, const RecordCodeSpec& spec, cbpfc::ebpf::Reg base,
                 std::int16_t offset, cbpfc::ebpf::Reg time);

/// Transport::Shared, record_shared.cc.
void emit_shared_record(cbpfc::ebpf::Assembly& code, const RecordCodeSpec& spec);

}  // namespace xdpcap
