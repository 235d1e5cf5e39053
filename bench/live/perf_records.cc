// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/perf_records.h"

#include <linux/perf_event.h>

#include <algorithm>
#include <cstring>

namespace bench {
namespace {

template <typename Number>
Number number_at(std::span<const std::uint8_t> bytes) {
  Number number = 0;
  std::memcpy(&number, bytes.data(), sizeof(number));
  return number;
}

}  // namespace

void PerfRecords::copy(std::uint64_t position, std::span<std::uint8_t> to) const {
  const std::size_t place = position & (memory_.data_bytes - 1);
  const std::size_t first = std::min(to.size(), memory_.data_bytes - place);
  std::memcpy(to.data(), memory_.data + place, first);
  std::memcpy(to.data() + first, memory_.data, to.size() - first);
}

std::optional<std::span<const std::uint8_t>> PerfRecords::next() {
  constexpr std::size_t kIdBytes = 8;
  while (true) {
    const __u64 head = __atomic_load_n(&memory_.control->data_head, __ATOMIC_ACQUIRE);
    const __u64 tail = memory_.control->data_tail;
    perf_event_header header{};
    if (head - tail < sizeof(header)) {
      return std::nullopt;
    }
    copy(tail, {reinterpret_cast<std::uint8_t*>(&header), sizeof(header)});
    if (header.size < sizeof(header) || header.size > head - tail) {
      drain();  // there is no telling where the next record would start
      return std::nullopt;
    }
    record_.resize(header.size - sizeof(header));
    copy(tail + sizeof(header), record_);
    __atomic_store_n(&memory_.control->data_tail, tail + header.size, __ATOMIC_RELEASE);
    const std::span<const std::uint8_t> body = record_;
    if (header.type == PERF_RECORD_LOST && body.size() >= kIdBytes + sizeof(std::uint64_t)) {
      lost_ += number_at<std::uint64_t>(body.subspan(kIdBytes));
    }
    if (header.type == PERF_RECORD_SAMPLE && body.size() >= sizeof(std::uint32_t)) {
      const auto size = number_at<std::uint32_t>(body);
      return body.subspan(sizeof(std::uint32_t),
                          std::min<std::size_t>(size, body.size() - sizeof(std::uint32_t)));
    }
  }
}

void PerfRecords::drain() const {
  const __u64 head = __atomic_load_n(&memory_.control->data_head, __ATOMIC_ACQUIRE);
  __atomic_store_n(&memory_.control->data_tail, head, __ATOMIC_RELEASE);
}

}  // namespace bench
