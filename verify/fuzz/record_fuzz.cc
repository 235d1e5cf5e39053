// SPDX-License-Identifier: BSD-3-Clause
//
// Records from rings whose memory is hostile, positions and all, on their way to a file: nothing outside is
// read, what is shown is a packet, packets come in time order, no space is given back that is still needed, and
// it ends.
//
// The bytes are a record for decode_record(), or what happens to some rings of one kind:
//
//     00 | bytes of a record
//     01 | 2 rings of 512 bytes, shared | add a record to ring 0 | poke ring 1 | move its producer | take ...
//
// Records are added as capture programs add them; what is poked and moved may be anything.  At the end
// everything that is left is taken, as the capture loop does it.

#include <linux/perf_event.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "verify/fuzz/fuzz.h"
#include "xdpcap/capture/packet_writer.h"
#include "xdpcap/capture/time_order.h"
#include "xdpcap/ring/perf_reader.h"
#include "xdpcap/ring/ring_reader.h"
#include "xdpcap/ring/shared_ring_reader.h"
#include "xdpcap/tests/pcapng/memory_sink.h"
#include "xdpcap/tests/ring/fake_ring.h"

namespace {

using namespace xdpcap;  // NOLINT(google-build-using-namespace): this file is the program
using fuzz::require;

/// The fuzzer's bytes, one after the other; zeros behind their end.
class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  bool is_empty() const { return bytes_.empty(); }
  std::uint8_t byte() {
    const std::uint8_t first = bytes_.empty() ? std::uint8_t{0} : bytes_.front();
    bytes_ = bytes_.subspan(std::min<std::size_t>(1, bytes_.size()));
    return first;
  }
  std::uint64_t number(unsigned bytes) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) {
      value |= std::uint64_t{byte()} << (8 * i);
    }
    return value;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

enum class Kind : std::uint8_t { Shared, RingBuffer, Perf };

/// One ring in memory of exactly its size.
class HostileRing {
 public:
  HostileRing(Kind kind, std::size_t ring_bytes, RingPosition start)
      : kind_(kind), ring_bytes_(ring_bytes), data_(memory_bytes(kind, ring_bytes)) {
    consumer() = producer() = start;
  }

  std::unique_ptr<RecordReader> reader() {
    switch (kind_) {
      case Kind::Shared:
        return std::make_unique<SharedRingReader>(
            SharedRingMemory{.control = &shared_, .data = data_.data(), .ring_bytes = ring_bytes_});
      case Kind::RingBuffer:
        return std::make_unique<RingReader>(RingMemory{.consumer = &consumer_,
                                                       .producer = &producer_,
                                                       .data = data_.data(),
                                                       .data_bytes = ring_bytes_});
      case Kind::Perf:
        return std::make_unique<PerfReader>(
            PerfMemory{.control = perf_.get(), .data = data_.data(), .data_bytes = ring_bytes_});
    }
    return nullptr;
  }

  /// As a capture program adds it, if there is room.
  void add(std::vector<std::uint8_t> record) {
    const RingPosition start = producer();
    switch (kind_) {
      case Kind::Shared:
        if (has_room(position_behind(start, (record.size() + 31) / 32 * 32, ring_bytes_))) {
          put(start, record);
          producer() = position_behind(start, (record.size() + 31) / 32 * 32, ring_bytes_);
        }
        return;
      case Kind::RingBuffer:
        add_behind(header<std::uint32_t, 2>({length_of(record), 0}), record);
        return;
      case Kind::Perf: {
        const auto all = static_cast<std::uint32_t>((12 + record.size() + 7) / 8 * 8);
        add_behind(header<std::uint32_t, 3>({PERF_RECORD_SAMPLE, all << 16U, length_of(record)}),
                   record);
        return;
      }
    }
  }

  void put(RingPosition at, std::span<const std::uint8_t> bytes) {
    const std::size_t start = at % ring_bytes_;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      // A shared ring goes on in its slack, the others at their start.
      const std::size_t place = kind_ == Kind::Shared ? start + i : (start + i) % ring_bytes_;
      data_.at(place) = bytes[i];
      if (kind_ == Kind::RingBuffer) {
        data_[place + ring_bytes_] = bytes[i];
      }
    }
  }

  RingPosition& producer() {
    return kind_ == Kind::Shared       ? *to_position(&shared_.producer)
           : kind_ == Kind::RingBuffer ? producer_
                                       : *to_position(&perf_->data_head);
  }
  RingPosition& consumer() {
    return kind_ == Kind::Shared       ? *to_position(&shared_.consumer)
           : kind_ == Kind::RingBuffer ? consumer_
                                       : *to_position(&perf_->data_tail);
  }

  /// Whether it ends where the producer is, or before.
  bool is_complete(const RingRecord& record) {
    const std::uint64_t most_bytes = producer() - record.start;
    return kind_ == Kind::Shared
               ? position_behind(
                     record.start,
                     shared_record_bytes(record.bytes.size() - sizeof(xdpcap::abi::RecordHeader)),
                     ring_bytes_) -
                         record.start <=
                     most_bytes
               : record.bytes.size() <= most_bytes;
  }

  /// Whether bytes that are shown may lie there; a perf buffer's reader joins some elsewhere.
  bool may_hold(std::span<const std::uint8_t> bytes) const {
    return kind_ == Kind::Perf || (bytes.data() >= data_.data() &&
                                   bytes.data() + bytes.size() <= data_.data() + data_.size());
  }

 private:
  static std::size_t memory_bytes(Kind kind, std::size_t ring_bytes) {
    switch (kind) {
      case Kind::Shared:
        return ring_bytes - 32 + shared_record_bytes(xdpcap::abi::kMaxCapturedBytes);
      case Kind::RingBuffer: return 2 * ring_bytes;
      case Kind::Perf: return ring_bytes;
    }
    return 0;
  }
  template <typename Position>
  static RingPosition* to_position(Position* position) {
    static_assert(sizeof(Position) == sizeof(RingPosition));
    return reinterpret_cast<RingPosition*>(position);
  }
  static std::uint32_t length_of(const std::vector<std::uint8_t>& record) {
    return static_cast<std::uint32_t>(record.size());
  }
  template <typename Word, std::size_t N>
  static std::vector<std::uint8_t> header(const std::array<Word, N>& words) {
    std::vector<std::uint8_t> bytes(sizeof(words));
    std::memcpy(bytes.data(), words.data(), sizeof(words));
    return bytes;
  }
  bool has_room(RingPosition next) { return next - consumer() <= ring_bytes_; }
  void add_behind(std::vector<std::uint8_t> bytes, const std::vector<std::uint8_t>& record) {
    bytes.insert(bytes.end(), record.begin(), record.end());
    bytes.resize((bytes.size() + 7) / 8 * 8);
    if (has_room(producer() + bytes.size())) {
      put(producer(), bytes);
      producer() += bytes.size();
    }
  }

  Kind kind_;
  std::size_t ring_bytes_;
  std::vector<std::uint8_t> data_;
  SharedRingControl shared_{};
  RingPosition producer_ = 0;
  RingPosition consumer_ = 0;
  std::unique_ptr<perf_event_mmap_page> perf_ = std::make_unique<perf_event_mmap_page>();
};

/// A reader that is watched: which of its records are still needed when space is given back.
class WatchedReader final : public RecordReader {
 public:
  WatchedReader(std::unique_ptr<RecordReader> reader, HostileRing& ring)
      : reader_(std::move(reader)), ring_(&ring) {}

  void collect(std::vector<RingRecord>& records, std::size_t most_records,
               std::size_t most_bytes) override {
    const std::size_t before = records.size();
    reader_->collect(records, most_records, most_bytes);
    require(records.size() - before <= most_records, "more records than asked for");
    for (const RingRecord& record : std::span(records).subspan(before)) {
      require(ring_->may_hold(record.bytes), "a record outside the ring");
      require(ring_->is_complete(record), "a record that is not there yet");
      if (decode_record(record.bytes, 0)) {
        needed_.push_back(record.start);
      }
    }
  }
  void release(RingPosition position) override {
    // Where nothing makes sense the reader goes where the producer is; then there is no order of positions.
    if (corrupt_records() == 0) {
      require(position <= reader_->position(), "released past the position");
      for (const RingPosition start : needed_) {
        require(position <= start, "released a record that is still needed");
      }
    }
    reader_->release(position);
  }
  void done_with(RingPosition start) {
    const auto found = std::ranges::find(needed_, start);
    require(found != needed_.end(), "a packet that was in no record, or came twice");
    needed_.erase(found);
  }
  RingPosition position() const override { return reader_->position(); }
  bool is_exhausted() const override { return reader_->is_exhausted(); }
  std::uint64_t used_bytes() const override { return reader_->used_bytes(); }
  std::uint64_t size_bytes() const override { return reader_->size_bytes(); }
  std::uint64_t corrupt_records() const override { return reader_->corrupt_records(); }

 private:
  std::unique_ptr<RecordReader> reader_;
  HostileRing* ring_;
  std::vector<RingPosition> needed_;
};

void expect_packet(const Packet& packet) {
  require(!packet.bytes.empty() && packet.bytes.size() <= packet.wire_length_bytes,
          "more or fewer bytes than a packet has");
  require(packet.wire_length_bytes < 1U << 24U && packet.rx_queue <= 0xffff, "out of its range");
  require(index(packet.action) < kMostActions, "no action");
  unsigned sum = 0;
  for (const std::uint8_t byte : packet.bytes) {  // for the sanitizers to see
    sum += byte;
  }
  require(sum <= 255 * packet.bytes.size(), "bytes that change");
}

class StandingTime final : public TimeSource {
 public:
  std::uint64_t monotonic_ns() override { return 0; }
  std::uint64_t realtime_ns() override { return 0; }
};

/// From rings to a file in memory.
class Capture {
 public:
  explicit Capture(Input& input)
      : kind_(static_cast<Kind>(input.byte() % 3)),
        ring_bytes_(std::size_t{256} << (input.byte() % 5)),
        sink_({.boundary_bytes = input.byte() % 2 == 0 ? 0U : 4096U}),
        actions_(kActions.begin(), kActions.begin() + 1 + input.byte() % kActions.size()),
        start_(input.byte() % 4 == 0 ? input.number(7) : 0) {
    const std::size_t rings = 1 + input.byte() % 3;
    for (std::size_t i = 0; i < rings; ++i) {
      rings_.push_back(std::make_unique<HostileRing>(kind_, ring_bytes_, start_));
      readers_.push_back(std::make_unique<WatchedReader>(rings_.back()->reader(), *rings_.back()));
    }
    constexpr std::uint64_t kLookBackNs = 100;
    order_.emplace(readers_, kLookBackNs);
    PcapngSection section;
    section.interfaces.resize(actions_.size(),
                              {.name = "hook:action", .description = {}, .filter = {}});
    auto writer = PcapngWriter::start(sink_, section);
    require(writer.has_value(), "no writer");
    file_.emplace(std::move(*writer));
    writer_.emplace(*file_, clock_, actions_, std::nullopt);
  }

  void act(Input& input) {
    const std::uint8_t what = input.byte() % 8;
    HostileRing& ring = *rings_[input.byte() % rings_.size()];
    switch (what) {
      case 0: poke(ring, input); break;
      case 1: ring.producer() = input.number(8); break;
      case 2: ring.producer() += 8 * input.number(1); break;
      case 3: ring.consumer() = input.number(8); break;
      case 4: take(input.number(2)); break;
      default: add(ring, input); break;
    }
  }

  void finish() {
    constexpr int kMostRounds = 2000;  // the rings are small, and nobody fills them any more
    int rounds = 0;
    while (take(UINT64_MAX)) {
      require(++rounds < kMostRounds, "it does not end");
    }
    require(writer_->is_open() && file_->flush().has_value(), "the file failed");
    expect_file();
  }

 private:
  static void poke(HostileRing& ring, Input& input) {
    const RingPosition at = input.number(2);
    std::vector<std::uint8_t> bytes(1 + input.byte() % 16);
    std::ranges::generate(bytes, [&] { return input.byte(); });
    ring.put(at, bytes);
  }

  void add(HostileRing& ring, Input& input) const {
    const std::uint32_t length_code = input.byte();
    test::Header header{
        .ktime_ns = 50 * input.number(1),
        .lost_packets = input.byte(),
        .wire_length_bytes = 0,
        .captured_bytes = 1 + length_code * static_cast<std::uint32_t>(ring_bytes_) / 256,
        .ifindex = input.byte(),
        .rx_queue = 0,
        .action = input.byte() % 6U};
    ring.add(test::make_record(header));
  }

  /// What the capture loop does in a round; whether there may be more.
  bool take(std::uint64_t horizon_ns) {
    const std::vector<std::uint64_t> before = progress();
    const bool is_more = order_->fill();
    const std::span<const TimeOrder::Pending> ready = order_->ready(horizon_ns);
    require(!is_more || !ready.empty() || progress() != before, "a round without progress");
    std::uint64_t last_ns = 0;
    for (const TimeOrder::Pending& held : ready) {
      expect_packet(held.packet);
      require(held.packet.ktime_ns >= last_ns, "not in time order");
      last_ns = held.packet.ktime_ns;
      require(held.packet.ring < readers_.size(), "no such ring");
      static_cast<WatchedReader&>(*readers_[held.packet.ring]).done_with(held.start);
      require(writer_->write(held.packet).has_value(), "not written");
      ++taken_;
    }
    const bool is_any = !ready.empty();
    order_->release();
    return is_more || is_any;
  }

  /// Changes whenever a reader goes on.
  std::vector<std::uint64_t> progress() const {
    std::vector<std::uint64_t> numbers = {order_->corrupt_records()};
    for (const auto& reader : readers_) {
      numbers.push_back(reader->position());
    }
    return numbers;
  }

  void expect_file() const {
    std::uint64_t taken = 0;
    std::uint64_t delivered = 0;
    for (const Action action : first_actions(kMostActions)) {
      taken += writer_->taken(action);
      const bool is_captured = std::ranges::find(actions_, action) != actions_.end();
      require(writer_->delivered(action) == (is_captured ? writer_->taken(action) : 0),
              "taken, but not written");
      delivered += writer_->delivered(action);
    }
    require(taken == taken_, "packets disappeared");
    std::span<const std::uint8_t> rest(sink_.bytes());
    std::uint64_t packets = 0;
    while (!rest.empty()) {
      const std::size_t length = first_block_bytes(rest);
      require(length >= 12 && length % 4 == 0 && length <= rest.size(), "a torn block");
      constexpr std::array<std::uint8_t, 4> kEnhancedPacket = {6, 0, 0, 0};
      const std::array<std::uint8_t, 4> type = {rest[0], rest[1], rest[2], rest[3]};
      packets += type == kEnhancedPacket ? 1U : 0U;
      rest = rest.subspan(length);
    }
    require(packets == delivered, "another number of packets in the file");
  }

  Kind kind_;
  std::size_t ring_bytes_;
  MemorySink sink_;
  std::vector<Action> actions_;
  RingPosition start_;
  std::vector<std::unique_ptr<HostileRing>> rings_;
  RecordReaders readers_;
  std::optional<TimeOrder> order_;
  StandingTime time_;
  WallClock clock_{time_};
  std::optional<PcapngWriter> file_;
  std::optional<PacketWriter> writer_;
  std::uint64_t taken_ = 0;
};

void expect_decoded(std::span<const std::uint8_t> given) {
  // A copy of its own, so that the sanitizers see what is read behind it.
  const std::vector<std::uint8_t> record(given.begin(), given.end());
  const std::optional<Packet> packet = decode_record(record, 7);
  if (!packet) {
    return;
  }
  expect_packet(*packet);
  require(packet->ring == 7, "another ring");
  require(packet->bytes.data() == record.data() + sizeof(xdpcap::abi::RecordHeader) &&
              packet->bytes.size() <= record.size() - sizeof(xdpcap::abi::RecordHeader),
          "bytes outside the record");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  if (data[0] == 0) {
    expect_decoded({data + 1, size - 1});
    return 0;
  }
  Input input({data + 1, size - 1});
  Capture capture(input);
  while (!input.is_empty()) {
    capture.act(input);
  }
  capture.finish();
  return 0;
}
