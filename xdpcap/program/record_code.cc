// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/record_code.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <span>
#include <vector>

#include "xdpcap/program/abi.h"
#include "xdpcap/program/helpers.h"
#include "xdpcap/program/record_parts.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): as in capture_program.cc
using abi::Counters;
using abi::RecordHeader;

constexpr std::uint32_t kRingHeaderBytes = 8;
constexpr std::uint32_t kRingAlignmentBytes = 8;

/// Source: Linux v6.18 include/uapi/linux/bpf.h BPF_RB_*.
constexpr std::int32_t kRingNoWakeup = 1;
constexpr std::int32_t kRingForceWakeup = 2;
constexpr std::int32_t kRingAvailableData = 0;

/// Of a perf sample: 65,528 at most with its header (8), its length (4) and ours.
constexpr std::uint32_t kMostPerfBytes = 65528 - 8 - 4 - kHeaderBytes;

constexpr std::uint32_t kSmallestClassBytes = 64;
constexpr std::uint32_t kLeastStepBytes = 32;

/// Each class is 32 bytes or at most an eighth above the one before; the last is the snap length.  Records are
/// multiples of 32 bytes, so the next packet, too, lies at one.
std::vector<std::uint32_t> size_classes(std::uint32_t snaplen_bytes) {
  std::vector<std::uint32_t> classes;
  for (std::uint32_t bytes = kSmallestClassBytes; bytes < snaplen_bytes;
       bytes += std::max(kLeastStepBytes, std::bit_floor(bytes) / 8)) {
    classes.push_back(bytes);
  }
  classes.push_back(snaplen_bytes);
  return classes;
}

/// dst = bytes between data and data_end; overwrites `other`.
void emit_first_buffer_length(Assembly& code, const RecordCodeSpec& spec, Reg dst, Reg other) {
  code.add(load(Width::Word, dst, spec.context, context::kDataEnd));
  code.add(load(Width::Word, other, spec.context, context::kData));
  code.add(alu(Alu::Sub, dst, other));
}

class RecordCode {
 public:
  RecordCode(Assembly& code, const RecordCodeSpec& spec)
      : code_(code),
        spec_(spec),
        snaplen_bytes_(is_perf(spec.transport.transport)
                           ? std::min(spec.snaplen_bytes, kMostPerfBytes)
                           : spec.snaplen_bytes) {}

  void emit() {
    emit_lengths(code_, spec_, snaplen_bytes_);
    if (is_perf(spec_.transport.transport)) {
      emit_perf();
    } else {
      emit_ring();
    }
  }

 private:
  void emit_ring() {
    emit_find_ring(code_, spec_);
    code_.add(store(Width::Double, Reg::R10, spec_.ring_slot, Reg::R0));
    if (is_dynptr()) {
      emit_reserve_dynptr();
    } else {
      emit_reserve_class();
    }
    code_.add(call(helper::kKtimeGetNs));
    emit_header(code_, spec_, spec_.record, 0, Reg::R0);
    emit_bytes();
    emit_wakeup();
    emit_ends();
  }

  bool is_dynptr() const { return spec_.transport.transport == Transport::Dynptr; }

  std::int16_t ring_dynptr() const { return static_cast<std::int16_t>(spec_.stack_top - 16); }
  std::int16_t packet_dynptr() const { return static_cast<std::int16_t>(spec_.stack_top - 32); }
  std::int16_t perf_header() const {
    return static_cast<std::int16_t>(spec_.stack_top - kHeaderBytes);
  }

  void emit_reserve_class() {
    emit_class(size_classes(snaplen_bytes_));
    code_.label("reserve");
    code_.add(load(Width::Double, Reg::R1, Reg::R10, spec_.ring_slot));
    code_.add(mov(Reg::R3, 0));
    code_.add(call(helper::kRingbufReserve));
    code_.jump_if(Cmp::Equal, Reg::R0, 0, kLostLabel);
    code_.add(mov(spec_.record, Reg::R0));
  }

  /// Finds the captured length's class by halves; leaves the record's size in R2.
  void emit_class(std::span<const std::uint32_t> classes) {  // NOLINT(misc-no-recursion): depth 7
    if (classes.size() == 1) {
      code_.add(mov(Reg::R2, kHeaderBytes + static_cast<std::int32_t>(classes.front())));
      if (classes.front() != snaplen_bytes_) {
        code_.jump("reserve");  // the last class goes on right behind
      }
      return;
    }
    const std::size_t half = classes.size() / 2;
    const std::uint32_t most_bytes = classes[half - 1];
    const std::string larger = fmt::format("larger_than_{}", most_bytes);
    code_.jump_if(Cmp::Greater, spec_.captured, static_cast<std::int32_t>(most_bytes), larger);
    emit_class(classes.first(half));
    code_.label(larger);
    emit_class(classes.subspan(half));
  }

  void emit_reserve_dynptr() {
    code_.add(mov(Reg::R2, spec_.captured));
    code_.add(alu(Alu::Add, Reg::R2, kHeaderBytes));
    code_.add(load(Width::Double, Reg::R1, Reg::R10, spec_.ring_slot));
    code_.add(mov(Reg::R3, 0));
    point_to_stack(code_, Reg::R4, ring_dynptr());
    code_.add(call(helper::kRingbufReserveDynptr));
    code_.jump_if(Cmp::NotEqual, Reg::R0, 0, "discard");  // also what was not reserved
    point_to_stack(code_, Reg::R1, ring_dynptr());
    code_.add(mov(Reg::R2, 0));
    code_.add(mov(Reg::R3, kHeaderBytes));
    code_.add(call(helper::kDynptrData));
    code_.jump_if(Cmp::Equal, Reg::R0, 0, "discard");
    code_.add(mov(spec_.record, Reg::R0));
  }

  void emit_bytes() {
    switch (spec_.transport.transport) {
      case Transport::Dynptr: emit_bytes_by_dynptr(); break;
      case Transport::Classes:
        code_.add(mov(Reg::R1, spec_.context));
        code_.add(mov(Reg::R2, 0));
        code_.add(mov(Reg::R3, spec_.record));
        code_.add(alu(Alu::Add, Reg::R3, kHeaderBytes));
        code_.add(mov(Reg::R4, spec_.captured));
        code_.add(call(helper::kXdpLoadBytes));
        break;
      default:
        code_.add(mov(Reg::R1, spec_.record));
        code_.add(alu(Alu::Add, Reg::R1, kHeaderBytes));
        code_.add(mov(Reg::R2, spec_.captured));
        code_.add(load(Width::Word, Reg::R3, spec_.context, context::kData));
        code_.add(call(helper::kProbeReadKernel));
        break;
    }
    code_.jump_if(Cmp::NotEqual, Reg::R0, 0, "discard");
  }

  void emit_bytes_by_dynptr() {
    code_.add(mov(Reg::R1, spec_.context));
    code_.add(mov(Reg::R2, 0));
    point_to_stack(code_, Reg::R3, packet_dynptr());
    code_.add(call_kernel_function(spec_.transport.functions.from_xdp));
    code_.jump_if(Cmp::NotEqual, Reg::R0, 0, "discard");
    point_to_stack(code_, Reg::R1, ring_dynptr());
    code_.add(mov(Reg::R2, kHeaderBytes));
    point_to_stack(code_, Reg::R3, packet_dynptr());
    code_.add(mov(Reg::R4, 0));
    code_.add(mov(Reg::R5, spec_.captured));
    code_.add(call_kernel_function(spec_.transport.functions.copy));
  }

  /// Leaves the flags of the submission in R2.
  void emit_wakeup() {
    if (spec_.watermark_bytes <= 1) {
      code_.add(mov(Reg::R2, 0));
      return;
    }
    code_.add(load(Width::Double, Reg::R1, Reg::R10, spec_.ring_slot));
    code_.add(mov(Reg::R2, kRingAvailableData));
    code_.add(call(helper::kRingbufQuery));
    code_.add(mov32(Reg::R1, spec_.watermark_bytes));
    code_.add(alu(Alu::Sub, Reg::R0, Reg::R1));  // below the watermark: wraps to a huge number
    code_.add(mov(Reg::R2, kRingForceWakeup));
    // No smaller than the largest size the record can have.
    code_.add(mov(Reg::R1, spec_.captured));
    code_.add(alu(Alu::Rsh, Reg::R1, 3));
    code_.add(alu(Alu::Add, Reg::R1, spec_.captured));
    code_.add(alu(Alu::Add, Reg::R1,
                  static_cast<std::int32_t>(largest_record_bytes(kSmallestClassBytes))));
    code_.jump_if(Cmp::LessEqual, Reg::R0, Reg::R1, "submit");
    code_.add(mov(Reg::R2, kRingNoWakeup));
  }

  void emit_ends() {
    const auto load_record = [&] {
      if (is_dynptr()) {
        point_to_stack(code_, Reg::R1, ring_dynptr());
      } else {
        code_.add(mov(Reg::R1, spec_.record));
      }
    };
    code_.label("submit");
    load_record();
    code_.add(call(is_dynptr() ? helper::kRingbufSubmitDynptr : helper::kRingbufSubmit));
    code_.jump(spec_.recorded_label);

    code_.label("discard");
    load_record();
    code_.add(mov(Reg::R2, kRingNoWakeup));
    code_.add(call(is_dynptr() ? helper::kRingbufDiscardDynptr : helper::kRingbufDiscard));
  }

  void emit_perf() {
    constexpr std::uint64_t kThisCpu = 0xffffffff;
    code_.add(call(helper::kKtimeGetNs));
    emit_header(code_, spec_, Reg::R10, perf_header(), Reg::R0);
    code_.add(mov(Reg::R1, spec_.context));
    code_.add_map_fd(Reg::R2, spec_.rings_fd);
    code_.add(mov(Reg::R3, spec_.captured));
    code_.add(alu(Alu::Lsh, Reg::R3, 32));
    code_.add_constant64(Reg::R4, kThisCpu);
    code_.add(alu(Alu::Or, Reg::R3, Reg::R4));
    point_to_stack(code_, Reg::R4, perf_header());
    code_.add(mov(Reg::R5, kHeaderBytes));
    code_.add(call(helper::kPerfEventOutput));
    code_.jump_if(Cmp::Equal, Reg::R0, 0, spec_.recorded_label);
  }

  Assembly& code_;
  const RecordCodeSpec& spec_;
  std::uint32_t snaplen_bytes_;
};

}  // namespace

// --- record_parts.h.

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

// --- record_code.h.

void emit_record(Assembly& code, const RecordCodeSpec& spec) {
  if (spec.transport.transport == Transport::Shared) {
    emit_shared_record(code, spec);
  } else {
    RecordCode(code, spec).emit();
  }
  code.label(kLostLabel);
}

std::uint32_t largest_record_bytes(std::uint32_t snaplen_bytes) {
  const std::uint32_t bytes = static_cast<std::uint32_t>(kHeaderBytes) + snaplen_bytes;
  return (bytes + kRingAlignmentBytes - 1) / kRingAlignmentBytes * kRingAlignmentBytes +
         kRingHeaderBytes;
}

}  // namespace xdpcap
