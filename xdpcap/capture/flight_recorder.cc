// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/flight_recorder.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"

namespace xdpcap {
namespace {

/// What is in memory before a packet's bytes.
struct StoredHeader {
  std::uint64_t wall_time_ns;
  std::uint64_t ktime_ns;
  std::uint32_t lost_packets;
  std::uint32_t captured_bytes;
  std::uint32_t wire_length_bytes;
  std::uint32_t ifindex;
  std::uint32_t rx_queue;
  std::uint32_t ring;
  Action action;
};
constexpr std::size_t kAlignment = alignof(StoredHeader);
static_assert(sizeof(StoredHeader) % kAlignment == 0);

StoredHeader header_at(const std::uint8_t* place) {
  StoredHeader header;
  std::memcpy(&header, place, sizeof(header));
  return header;
}

/// Makes the kernel give every page.
void touch(std::span<std::uint8_t> memory) {
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (std::size_t at = 0; at < memory.size(); at += page_bytes) {
    *static_cast<volatile std::uint8_t*>(&memory[at]) = 0;
  }
}

/// What the kernel could give without swapping; nullopt if it does not say.
std::optional<std::uint64_t> available_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;) {
    std::uint64_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) {
      return kib << 10U;
    }
  }
  return std::nullopt;
}

std::unexpected<Error> no_memory(std::size_t size_bytes, std::optional<std::uint64_t> available,
                                 int error) {
  const std::string present = available ? fmt::format(", {} are available", *available) : "";
  return fail(Errc::Kernel,
              fmt::format("allocate {} bytes for the flight recorder: {}{}; give it less",
                          size_bytes, errno_text(error), present),
              error);
}

}  // namespace

void FlightRecorder::Unmap::operator()(std::uint8_t* memory) const {
  ::munmap(memory, size_bytes);
}

std::size_t FlightRecorder::packet_bytes(std::size_t captured_bytes) {
  return (sizeof(StoredHeader) + captured_bytes + kAlignment - 1) / kAlignment * kAlignment;
}

Result<FlightRecorder> FlightRecorder::allocate(std::size_t size_bytes) {
  const std::optional<std::uint64_t> available = available_bytes();
  // Otherwise the kernel might promise the memory, and end some process when it is used.
  if (available && size_bytes > *available) {
    return no_memory(size_bytes, available, ENOMEM);
  }
  void* pages =
      ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    return no_memory(size_bytes, available, errno);
  }
  Memory memory(static_cast<std::uint8_t*>(pages), Unmap{size_bytes});
  if (::madvise(pages, size_bytes, MADV_POPULATE_WRITE) != 0) {
    if (errno != EINVAL) {
      return no_memory(size_bytes, available, errno);
    }
    touch({memory.get(), size_bytes});  // Linux before 5.14
  }
  return FlightRecorder(std::move(memory));
}

bool FlightRecorder::has_room(std::size_t captured_bytes) const {
  const std::size_t needed_bytes = packet_bytes(captured_bytes);
  if (is_wrapped_) {
    return front_ - back_ >= needed_bytes;
  }
  return size_bytes() - back_ >= needed_bytes || front_ >= needed_bytes;
}

void FlightRecorder::append(const Packet& packet, std::uint64_t wall_time_ns) {
  assert(has_room(packet.bytes.size()));
  const std::size_t needed_bytes = packet_bytes(packet.bytes.size());
  if (!is_wrapped_ && size_bytes() - back_ < needed_bytes) {
    end_ = std::exchange(back_, 0);
    is_wrapped_ = true;
  }
  const StoredHeader header{.wall_time_ns = wall_time_ns,
                            .ktime_ns = packet.ktime_ns,
                            .lost_packets = packet.lost_packets,
                            .captured_bytes = static_cast<std::uint32_t>(packet.bytes.size()),
                            .wire_length_bytes = packet.wire_length_bytes,
                            .ifindex = packet.ifindex,
                            .rx_queue = packet.rx_queue,
                            .ring = packet.ring,
                            .action = packet.action};
  std::uint8_t* place = memory_.get() + back_;
  std::memcpy(place, &header, sizeof(header));
  if (!packet.bytes.empty()) {
    std::memcpy(place + sizeof(header), packet.bytes.data(), packet.bytes.size());
  }
  back_ += needed_bytes;
  ++packets_;
}

RecordedPacket FlightRecorder::oldest() const {
  assert(!is_empty());
  const std::uint8_t* place = memory_.get() + front_;
  const StoredHeader header = header_at(place);
  return {.packet = {.ktime_ns = header.ktime_ns,
                     .lost_packets = header.lost_packets,
                     .bytes = {place + sizeof(header), header.captured_bytes},
                     .wire_length_bytes = header.wire_length_bytes,
                     .ifindex = header.ifindex,
                     .rx_queue = header.rx_queue,
                     .ring = header.ring,
                     .action = header.action},
          .wall_time_ns = header.wall_time_ns};
}

void FlightRecorder::drop_oldest() {
  assert(!is_empty());
  front_ += packet_bytes(header_at(memory_.get() + front_).captured_bytes);
  if (--packets_ == 0) {
    clear();
  } else if (is_wrapped_ && front_ == end_) {
    front_ = 0;
    is_wrapped_ = false;
  }
}

void FlightRecorder::clear() {
  front_ = back_ = end_ = 0;
  is_wrapped_ = false;
  packets_ = 0;
}

}  // namespace xdpcap
