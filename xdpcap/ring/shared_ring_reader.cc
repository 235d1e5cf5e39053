// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/ring/shared_ring_reader.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace xdpcap {

Result<SharedRingReader> SharedRingReader::map(int map_fd, std::uint32_t cpu,
                                               const SharedRingLayout& layout) {
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t offset_bytes = cpu * layout.value_bytes;
  Mapping control = TRY(map_pages(map_fd, page_bytes, PROT_READ | PROT_WRITE, offset_bytes));
  Mapping value = TRY(map_pages(map_fd, layout.value_bytes, PROT_READ, offset_bytes));
  SharedRingReader reader(SharedRingMemory{
      .control = static_cast<SharedRingControl*>(control.get()),
      .data = static_cast<const std::uint8_t*>(value.get()) + layout.data_offset_bytes,
      .ring_bytes = layout.ring_bytes});
  reader.control_page_ = std::move(control);
  reader.value_pages_ = std::move(value);
  return reader;
}

SharedRingReader::SharedRingReader(const SharedRingMemory& memory)
    : memory_(memory), position_(memory.control->consumer) {}

Result<void> SharedRingReader::take_wakeup_ring(int wakeup_fd) {
  wakeup_ = TRY(RingReader::map(wakeup_fd, static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))));
  return {};
}

void SharedRingReader::answer() {
  if (wakeup_ && !wakeup_->is_exhausted()) {
    wakeup_->collect(wakeups_, ~std::size_t{0}, ~std::size_t{0});
    wakeup_->release(wakeup_->position());
    __atomic_thread_fence(__ATOMIC_SEQ_CST);  // a program that finds it full has been seen below
  }
}

RingPosition SharedRingReader::producer() const {
  return __atomic_load_n(&memory_.control->producer, __ATOMIC_SEQ_CST);
}

void SharedRingReader::collect(std::vector<RingRecord>& records, std::size_t most_records,
                               std::size_t most_bytes) {
  const RingPosition end = producer();
  const RingPosition first = position_;
  std::size_t shown = 0;
  while (position_ != end && shown < most_records && position_ - first < most_bytes) {
    const std::uint64_t place = position_ & (memory_.ring_bytes - 1);
    const std::uint8_t* record = memory_.data + place;
    abi::RecordHeader header{};
    if (end - position_ <= memory_.ring_bytes && position_ % kSharedRecordAlignment == 0) {
      std::memcpy(&header, record, sizeof(header));
    }
    const RingPosition next =
        position_behind(position_, shared_record_bytes(header.captured_bytes), memory_.ring_bytes);
    if (header.captured_bytes == 0 || next - position_ > end - position_) {
      ++corrupt_records_;
      position_ = end;
      return;
    }
    records.push_back(
        {.bytes = {record, sizeof(header) + header.captured_bytes}, .start = position_});
    ++shown;
    position_ = next;
  }
}

void SharedRingReader::release(RingPosition position) {
  // In one order with the look at the producer that follows: see record_shared.cc.
  __atomic_store_n(&memory_.control->consumer, position, __ATOMIC_SEQ_CST);
}

bool SharedRingReader::is_exhausted() const {
  return producer() == position_;
}

std::uint64_t SharedRingReader::used_bytes() const {
  return producer() - memory_.control->consumer;
}

}  // namespace xdpcap
