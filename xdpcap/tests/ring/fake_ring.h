// SPDX-License-Identifier: BSD-3-Clause
//
// A ring buffer in ordinary memory, with the test in the kernel's place.

#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "xdpcap/program/abi.h"
#include "xdpcap/ring/ring_reader.h"

namespace xdpcap::test {

class FakeRing {
 public:
  explicit FakeRing(std::size_t data_bytes) : data_(2 * data_bytes), data_bytes_(data_bytes) {}

  RingMemory memory() {
    return {.consumer = &consumer,
            .producer = &producer,
            .data = data_.data(),
            .data_bytes = data_bytes_};
  }

  /// Reserves a record and leaves it busy; returns where it starts.
  RingPosition reserve(std::span<const std::uint8_t> bytes) {
    const RingPosition start = producer;
    const auto length = static_cast<std::uint32_t>(bytes.size());
    put_header(start, length | kBusy);
    put(start + 8, bytes);
    producer += (8 + bytes.size() + 7) / 8 * 8;
    return start;
  }
  void submit(RingPosition start) { put_header(start, header(start) & ~kBusy); }
  void discard(RingPosition start) { put_header(start, (header(start) & ~kBusy) | kDiscard); }
  void add(std::span<const std::uint8_t> bytes) { submit(reserve(bytes)); }

  void put_header(RingPosition start, std::uint32_t length) {
    std::uint8_t bytes[4];
    std::memcpy(bytes, &length, sizeof(bytes));
    put(start, bytes);
  }
  void put(RingPosition start, std::span<const std::uint8_t> bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const std::size_t at = (start + i) % data_bytes_;
      data_[at] = data_[at + data_bytes_] = bytes[i];
    }
  }

  RingPosition consumer = 0;
  RingPosition producer = 0;

 private:
  static constexpr std::uint32_t kBusy = 1U << 31U;
  static constexpr std::uint32_t kDiscard = 1U << 30U;
  std::uint32_t header(RingPosition start) const {
    std::uint32_t length = 0;
    std::memcpy(&length, &data_[start % data_bytes_], sizeof(length));
    return length;
  }

  std::vector<std::uint8_t> data_;
  std::size_t data_bytes_;
};

/// The header of a record, with 0 for what a test does not care about.
struct Header {
  std::uint64_t ktime_ns = 0;
  std::uint32_t lost_packets = 0;
  std::uint32_t wire_length_bytes = 0;  ///< 0: as captured
  std::uint32_t captured_bytes = 0;
  std::uint32_t ifindex = 0;
  std::uint32_t rx_queue = 0;
  std::uint32_t action = 0;

  abi::RecordHeader in_record() const {
    abi::RecordHeader record{};
    record.ktime_ns = ktime_ns;
    record.lost_packets = lost_packets;
    record.ifindex = ifindex;
    record.wire_length_bytes =
        (wire_length_bytes == 0 ? captured_bytes : wire_length_bytes) & 0xffffffU;
    record.action = action & 0xffU;
    record.captured_bytes = static_cast<std::uint16_t>(captured_bytes);
    record.rx_queue = static_cast<std::uint16_t>(rx_queue);
    return record;
  }
};

/// The bytes of a record: its header, `captured_bytes` bytes that count up from `first_byte`,
/// padding.
inline std::vector<std::uint8_t> make_record(const Header& header, std::uint8_t first_byte = 0,
                                             std::size_t padding_bytes = 0) {
  const abi::RecordHeader in_record = header.in_record();
  std::vector<std::uint8_t> bytes(sizeof(in_record) + header.captured_bytes + padding_bytes);
  std::memcpy(bytes.data(), &in_record, sizeof(in_record));
  for (std::uint32_t i = 0; i < header.captured_bytes; ++i) {
    bytes[sizeof(in_record) + i] = static_cast<std::uint8_t>(first_byte + i);
  }
  return bytes;
}

/// Readers of one ring, as the loop takes them.
inline RecordReaders readers_of(FakeRing& ring) {
  RecordReaders readers;
  readers.push_back(std::make_unique<RingReader>(ring.memory()));
  return readers;
}

}  // namespace xdpcap::test
