// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/ring/ring_reader.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

namespace xdpcap {

namespace {

constexpr std::uint32_t kBusyBit = 1U << 31U;
constexpr std::uint32_t kDiscardBit = 1U << 30U;
constexpr std::size_t kHeaderBytes = 8;

template <typename T>
T load_acquire(const T* address) {
  return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

// A record with its header, padded.  64 bits, so that no length overflows.
std::uint64_t padded_bytes(std::uint32_t length_bytes) {
  return (std::uint64_t{length_bytes} + kHeaderBytes + 7U) & ~std::uint64_t{7};
}

}  // namespace

Result<RingReader> RingReader::map(int ring_fd, std::uint64_t ring_bytes) {
  if (ring_bytes == 0 || (ring_bytes & (ring_bytes - 1)) != 0) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("map the ring buffer: its size is {} bytes, not a power of two", ring_bytes));
  }
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  Mapping consumer_page = TRY(map_pages(ring_fd, page_bytes, PROT_READ | PROT_WRITE, 0));
  Mapping producer_pages =
      TRY(map_pages(ring_fd, page_bytes + 2 * ring_bytes, PROT_READ, page_bytes));
  auto* producer = static_cast<std::uint8_t*>(producer_pages.get());
  RingReader reader(RingMemory{.consumer = static_cast<RingPosition*>(consumer_page.get()),
                               .producer = static_cast<RingPosition*>(producer_pages.get()),
                               .data = producer + page_bytes,
                               .data_bytes = ring_bytes});
  reader.consumer_page_ = std::move(consumer_page);
  reader.producer_pages_ = std::move(producer_pages);
  return reader;
}

RingReader::RingReader(const RingMemory& memory)
    : memory_(memory), position_(load_acquire(memory.consumer)) {}

void RingReader::collect(std::vector<RingRecord>& records, std::size_t most_records,
                         std::size_t most_bytes) {
  const RingPosition producer = load_acquire(memory_.producer);
  const RingPosition first = position_;
  std::size_t shown = 0;
  while (position_ != producer && shown < most_records && position_ - first < most_bytes) {
    const std::uint64_t room_bytes = producer - position_;
    const std::uint8_t* header = memory_.data + (position_ & (memory_.data_bytes - 1));
    std::uint32_t length = 0;
    if (room_bytes >= kHeaderBytes && room_bytes <= memory_.data_bytes && position_ % 8 == 0) {
      // Aligned, because records start at multiples of eight.
      length = load_acquire(reinterpret_cast<const std::uint32_t*>(header));
      if ((length & kBusyBit) != 0) {
        return;
      }
    }
    const std::uint32_t length_bytes = length & ~kDiscardBit;
    const std::uint64_t whole_bytes = padded_bytes(length_bytes);
    if (length_bytes == 0 || whole_bytes > room_bytes || room_bytes > memory_.data_bytes) {
      ++corrupt_records_;
      position_ = producer;
      return;
    }
    if ((length & kDiscardBit) == 0) {
      records.push_back({.bytes = {header + kHeaderBytes, length_bytes}, .start = position_});
      ++shown;
    }
    position_ += whole_bytes;
  }
}

void RingReader::release(RingPosition position) {
  __atomic_store_n(memory_.consumer, position, __ATOMIC_RELEASE);
}

bool RingReader::is_exhausted() const {
  return load_acquire(memory_.producer) == position_;
}

std::uint64_t RingReader::used_bytes() const {
  return load_acquire(memory_.producer) - load_acquire(memory_.consumer);
}

}  // namespace xdpcap
