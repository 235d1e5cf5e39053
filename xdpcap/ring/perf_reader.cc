// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/ring/perf_reader.h"

#include <linux/perf_event.h>

#include <algorithm>
#include <cstring>

namespace xdpcap {
namespace {

constexpr std::size_t kLengthBytes = sizeof(std::uint32_t);

/// The record of the capture program in a sample; empty if its length does not fit.
std::span<const std::uint8_t> record_in(std::span<const std::uint8_t> sample) {
  std::uint32_t length = 0;
  if (sample.size() < sizeof(perf_event_header) + kLengthBytes) {
    return {};
  }
  const auto rest = sample.subspan(sizeof(perf_event_header));
  std::memcpy(&length, rest.data(), kLengthBytes);
  return length <= rest.size() - kLengthBytes ? rest.subspan(kLengthBytes, length)
                                              : std::span<const std::uint8_t>{};
}

}  // namespace

PerfMemory memory_of(const PerfBuffer& buffer) {
  return {.control = buffer.control(), .data = buffer.data(), .data_bytes = buffer.data_bytes()};
}

PerfReader::PerfReader(const PerfMemory& memory)
    : memory_(memory), position_(memory.control->data_tail) {}

RingPosition PerfReader::head() const {
  return __atomic_load_n(&memory_.control->data_head, __ATOMIC_ACQUIRE);
}

const std::uint8_t* PerfReader::at(RingPosition position) const {
  return memory_.data + (position & (memory_.data_bytes - 1));
}

/// Empty: it would take the place of one that may be in use.
std::span<const std::uint8_t> PerfReader::in_one_piece(RingPosition start, std::size_t bytes) {
  const std::size_t to_end = memory_.data_bytes - (start & (memory_.data_bytes - 1));
  if (bytes <= to_end) {
    return {at(start), bytes};
  }
  if (joined_start_) {
    return {};
  }
  joined_start_ = start;
  joined_.resize(bytes);
  std::copy_n(at(start), to_end, joined_.begin());
  std::copy_n(memory_.data, bytes - to_end, joined_.begin() + static_cast<std::ptrdiff_t>(to_end));
  return joined_;
}

void PerfReader::collect(std::vector<RingRecord>& records, std::size_t most_records,
                         std::size_t most_bytes) {
  const RingPosition end = head();
  const RingPosition first = position_;
  std::size_t shown = 0;
  while (position_ != end && shown < most_records && position_ - first < most_bytes) {
    const std::uint64_t room_bytes = end - position_;
    perf_event_header header{};
    // Headers are eight bytes at multiples of eight: they never go over the end.
    if (room_bytes >= sizeof(header) && room_bytes <= memory_.data_bytes &&
        position_ % sizeof(header) == 0) {
      std::memcpy(&header, at(position_), sizeof(header));
    }
    if (header.size < sizeof(header) || header.size > room_bytes || header.size % 8 != 0) {
      ++corrupt_records_;
      position_ = end;
      return;
    }
    if (header.type == PERF_RECORD_SAMPLE) {
      const auto record = record_in(in_one_piece(position_, header.size));
      if (record.empty()) {
        ++corrupt_records_;
      } else {
        records.push_back({.bytes = record, .start = position_});
        ++shown;
      }
    }
    position_ += header.size;
  }
}

void PerfReader::release(RingPosition position) {
  if (joined_start_ && position > *joined_start_) {
    joined_start_.reset();
  }
  __atomic_store_n(&memory_.control->data_tail, position, __ATOMIC_RELEASE);
}

bool PerfReader::is_exhausted() const {
  return head() == position_;
}

std::uint64_t PerfReader::used_bytes() const {
  return head() - memory_.control->data_tail;
}

}  // namespace xdpcap
