// SPDX-License-Identifier: BSD-3-Clause
//
// Records into a shared ring (shared_ring.h), in instructions.
//
//     R9  this CPU's value: control page, data
//     time slot    the time, read before the place is chosen
//     next slot    the position behind the record
//
// Waking the reader.  A BPF ring buffer of a page wakes it: an empty record, discarded with the flag that wakes
// the reader that polls it.  That is done by the record that lifts the ring over the watermark; without one, by a record that
// finds the ring empty.  Where a single record can do that, its position is published with a full barrier before the
// reader's is read, or both could miss each other: the reader sleeping, and the program seeing a reader that is awake.
// With a larger watermark the records that follow make up for a look at an old position of the reader.  When that buffer is
// full, the reader has been woken and has not answered.

#include <algorithm>

#include "xdpcap/program/helpers.h"
#include "xdpcap/program/record_parts.h"
#include "xdpcap/program/shared_ring.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): as in capture_program.cc

constexpr std::int32_t kForceWakeup = 2;  // BPF_RB_FORCE_WAKEUP
constexpr std::int32_t kWakeupBytes = 8;
constexpr std::int16_t kProducer = offsetof(SharedRingControl, producer);
constexpr std::int16_t kBusy = offsetof(SharedRingControl, busy);
constexpr std::int16_t kConsumer = offsetof(SharedRingControl, consumer);

#if defined(__x86_64__)
constexpr bool kStoresKeepTheirOrder = true;
#else
constexpr bool kStoresKeepTheirOrder = false;
#endif

class SharedRecord {
 public:
  SharedRecord(Assembly& code, const RecordCodeSpec& spec)
      : code_(code),
        spec_(spec),
        layout_(shared_ring_layout(spec.ring_bytes)),
        time_slot_(static_cast<std::int16_t>(spec.stack_top - 8)),
        next_slot_(static_cast<std::int16_t>(spec.stack_top - 16)) {}

  void emit() {
    const Reg ring = spec_.record;
    emit_find_ring(code_, spec_);
    code_.add(mov(ring, Reg::R0));
    emit_lengths(code_, spec_, spec_.snaplen_bytes);
    code_.add(call(helper::kKtimeGetNs));
    code_.add(store(Width::Double, Reg::R10, time_slot_, Reg::R0));
    code_.add(load(Width::Double, Reg::R1, ring, kBusy));
    code_.jump_if(Cmp::NotEqual, Reg::R1, 0, kLostLabel);
    code_.add(store(Width::Double, ring, kBusy, 1));
    emit_place();
    code_.add(load(Width::Double, Reg::R0, Reg::R10, time_slot_));
    emit_header(code_, spec_, Reg::R3, 0, Reg::R0);
    code_.add(alu(Alu::Add, Reg::R3, kHeaderBytes));
    code_.add(mov(Reg::R1, spec_.context));
    code_.add(mov(Reg::R2, 0));
    code_.add(mov(Reg::R4, spec_.captured));
    code_.add(call(helper::kXdpLoadBytes));
    code_.jump_if(Cmp::NotEqual, Reg::R0, 0, "not_published");
    emit_publish();
    emit_wakeup();
    code_.label("not_published");
    code_.add(store(Width::Double, ring, kBusy, 0));
  }

 private:
  /// R3 = the record's place; next_slot = the position behind it.
  void emit_place() {
    const Reg ring = spec_.record;
    const auto ring_bytes = static_cast<std::int32_t>(layout_.ring_bytes);
    code_.add(load(Width::Double, Reg::R1, ring, kProducer));
    code_.add(mov(Reg::R2, Reg::R1));
    code_.add(alu(Alu::And, Reg::R2,
                  static_cast<std::int32_t>((layout_.ring_bytes - 1) &
                                            ~(kSharedRecordAlignment - 1))));  // the place
    code_.add(alu(Alu::Sub, Reg::R1, Reg::R2));                                // position - place
    code_.add(mov(Reg::R4, spec_.captured));
    code_.add(alu(Alu::Add, Reg::R4,
                  kHeaderBytes + static_cast<std::int32_t>(kSharedRecordAlignment) - 1));
    code_.add(alu(Alu::And, Reg::R4, -static_cast<std::int32_t>(kSharedRecordAlignment)));
    code_.add(alu(Alu::Add, Reg::R4, Reg::R2));  // the place behind the record
    code_.jump_if(Cmp::LessEqual, Reg::R4, ring_bytes, "within");
    code_.add(mov(Reg::R4, ring_bytes));
    code_.label("within");
    code_.add(alu(Alu::Add, Reg::R1, Reg::R4));  // the position behind the record
    code_.add(store(Width::Double, Reg::R10, next_slot_, Reg::R1));
    code_.add(load(Width::Double, Reg::R4, ring, kConsumer));
    code_.add(alu(Alu::Sub, Reg::R1, Reg::R4));
    code_.jump_if(Cmp::Greater, Reg::R1, ring_bytes, "not_published");
    code_.add(mov(Reg::R3, ring));
    code_.add(alu(Alu::Add, Reg::R3, static_cast<std::int32_t>(layout_.data_offset_bytes)));
    code_.add(alu(Alu::Add, Reg::R3, Reg::R2));
  }

  /// R1 = the position behind the record, R2 = its own.
  void emit_publish() {
    const Reg ring = spec_.record;
    code_.add(load(Width::Double, Reg::R1, Reg::R10, next_slot_));
    if (kStoresKeepTheirOrder && spec_.watermark_bytes > shared_record_bytes(spec_.snaplen_bytes)) {
      code_.add(load(Width::Double, Reg::R2, ring, kProducer));
      code_.add(store(Width::Double, ring, kProducer, Reg::R1));
    } else {
      code_.add(load(Width::Double, Reg::R3, ring, kProducer));
      code_.add(mov(Reg::R2, Reg::R1));
      code_.add(alu(Alu::Sub, Reg::R2, Reg::R3));
      code_.add(atomic(Atomic::FetchAdd, ring, kProducer, Reg::R2));
    }
    code_.add(store(Width::Double, ring, kBusy, 0));
  }

  void emit_wakeup() {
    const std::uint32_t watermark = std::max(spec_.watermark_bytes, 1U);
    code_.add(load(Width::Double, Reg::R3, spec_.record, kConsumer));
    code_.add(alu(Alu::Sub, Reg::R1, Reg::R3));
    code_.add(alu(Alu::Sub, Reg::R2, Reg::R3));
    code_.add(mov32(Reg::R3, watermark));
    code_.jump_if(Cmp::GreaterEqual, Reg::R2, Reg::R3, spec_.recorded_label);
    code_.jump_if(Cmp::Less, Reg::R1, Reg::R3, spec_.recorded_label);
    code_.add_map_fd(Reg::R1, spec_.wakeup_fd);
    code_.add(mov(Reg::R2, kWakeupBytes));
    code_.add(mov(Reg::R3, 0));
    code_.add(call(helper::kRingbufReserve));
    code_.jump_if(Cmp::Equal, Reg::R0, 0, spec_.recorded_label);
    code_.add(mov(Reg::R1, Reg::R0));
    code_.add(mov(Reg::R2, kForceWakeup));
    code_.add(call(helper::kRingbufDiscard));
    code_.jump(spec_.recorded_label);
  }

  Assembly& code_;
  const RecordCodeSpec& spec_;
  SharedRingLayout layout_;
  std::int16_t time_slot_;
  std::int16_t next_slot_;
};

}  // namespace

void emit_shared_record(Assembly& code, const RecordCodeSpec& spec) {
  SharedRecord(code, spec).emit();
}

}  // namespace xdpcap
