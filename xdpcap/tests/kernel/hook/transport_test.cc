// SPDX-License-Identifier: BSD-3-Clause
//
// Every way of a record to user space: what arrives, what is lost, and which is chosen.

#include "xdpcap/program/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <cstring>
#include <optional>

#include "base/testing/one_cpu.h"
#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/abi.h"
#include "xdpcap/program/capture_program.h"
#include "xdpcap/program/record_code.h"
#include "xdpcap/program/ring_set.h"
#include "xdpcap/ring/record_reader.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap {
namespace {

using testing::HasSubstr;

/// What a record held.
struct Recorded {
  std::uint32_t wire_length_bytes = 0;
  std::uint32_t lost_packets = 0;
  std::vector<std::uint8_t> bytes;
};

/// A capture program that records everything, and a reader.
class Rig {
 public:
  struct Options {
    Variant variant{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};
    std::uint32_t snaplen_bytes = 65535;
    std::uint64_t ring_bytes = 1U << 20;
    std::uint32_t watermark_bytes = 1;
    std::optional<std::uint32_t> cpus = std::nullopt;  ///< that have a ring
  };

  Rig(Transport transport, const Options& options)
      : chosen_(find_transport(options.variant, transport).value()),
        rings_(RingSet::create(
                   {.transport = transport, .ring_bytes = options.ring_bytes, .cpus = options.cpus})
                   .value()),
        readers_(make_readers(rings_).value()),
        counters_(create_per_cpu_array("test_counters", sizeof(abi::Counters), 5).value()) {
    const auto insns = build_capture_program(test::constant_filter(1),
                                             {.action = Action::Tx,
                                              .snaplen_bytes = options.snaplen_bytes,
                                              .watermark_bytes = options.watermark_bytes,
                                              .transport = chosen_,
                                              .multi_buffer = options.variant.multi_buffer,
                                              .rings_fd = rings_.map_fd(),
                                              .ring_bytes = rings_.ring_bytes(),
                                              .wakeup_fd = rings_.wakeup_fd(),
                                              .counters_fd = counters_.get()})
                           .value();
    program_ = load_xdp_program({.name = "test_transport",
                                 .insns = insns,
                                 .expected_attach_type = options.variant.expected_attach_type,
                                 .multi_buffer = options.variant.multi_buffer})
                   .value();
  }

  void run(std::span<const std::uint8_t> packet, std::uint32_t repeat = 1) const {
    EXPECT_EQ(test::test_run(program_.get(), packet, {.repeat = repeat}).action, index(Action::Tx));
  }

  std::vector<Recorded> records(bool gives_back = true) const {
    std::vector<Recorded> result;
    for (const auto& reader : readers_) {
      std::vector<RingRecord> records;
      reader->collect(records, 1'000'000, 1ULL << 30);
      for (const RingRecord& record : records) {
        const std::optional<Packet> packet = decode_record(record.bytes, 0);
        EXPECT_TRUE(packet.has_value());
        if (packet) {
          EXPECT_EQ(packet->action, Action::Tx);
          result.push_back({.wire_length_bytes = packet->wire_length_bytes,
                            .lost_packets = packet->lost_packets,
                            .bytes = {packet->bytes.begin(), packet->bytes.end()}});
        }
      }
      if (gives_back) {
        reader->release(reader->position());
      }
      EXPECT_EQ(reader->corrupt_records(), 0U);
    }
    return result;
  }

  /// Whether the reader is woken, at once; it takes note of it.
  bool is_woken() const {
    constexpr int kPatienceMs = 20;
    pollfd wake{.fd = rings_.wake_fd(), .events = POLLIN, .revents = 0};
    const bool is_woken = ::poll(&wake, 1, kPatienceMs) == 1;
    readers_.front()->answer();
    return is_woken;
  }

  std::uint64_t lost() const {
    constexpr std::size_t kNumbers = sizeof(abi::Counters) / sizeof(std::uint64_t);
    const auto numbers = read_per_cpu_numbers(counters_.get(), index(Action::Tx), kNumbers).value();
    std::uint64_t sum = 0;
    for (std::size_t i = offsetof(abi::Counters, lost) / 8; i < numbers.size(); i += kNumbers) {
      sum += numbers[i];
    }
    return sum;
  }

 private:
  ChosenTransport chosen_;
  RingSet rings_;
  RecordReaders readers_;
  UniqueFd counters_;
  UniqueFd program_;
};

constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};
constexpr Variant kMultiBuffer{.expected_attach_type = kAttachTypeXdp, .multi_buffer = true};

class TransportTest : public testing::TestWithParam<Transport> {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
  void SetUp() override {
    if (const auto chosen = find_transport(kPlain, GetParam()); !chosen) {
      ASSERT_EQ(chosen.error().code, Errc::Unsupported);
      GTEST_SKIP() << chosen.error().message;
    }
  }
};

TEST_P(TransportTest, BringsEveryByteOfPacketsOfOneBuffer) {
  const Rig rig(GetParam(), {});
  for (std::size_t size = 14; size <= 3520; size += size < 140 ? 1 : 61) {
    const std::vector<std::uint8_t> packet = test::make_packet(size);
    rig.run(packet);
    const std::vector<Recorded> records = rig.records();
    ASSERT_EQ(records.size(), 1U) << size;
    EXPECT_EQ(records[0].wire_length_bytes, size);
    EXPECT_EQ(records[0].bytes, packet) << size;
  }
  EXPECT_EQ(rig.lost(), 0U);
}

TEST_P(TransportTest, BringsPacketsOfSeveralBuffers) {
  if (!find_transport(kMultiBuffer, GetParam())) {
    GTEST_SKIP() << "this kernel has no such packets";
  }
  const Rig rig(GetParam(), {.variant = kMultiBuffer});
  for (const std::size_t size :
       {14U, 3520U, 3521U, 9000U, 16384U, 16385U, 60000U, 65493U, 65535U}) {
    std::vector<std::uint8_t> packet = test::make_packet(size);
    rig.run(packet);
    const std::vector<Recorded> records = rig.records();
    ASSERT_EQ(records.size(), 1U) << size;
    EXPECT_EQ(records[0].wire_length_bytes, size);
    if (GetParam() == Transport::Linear) {
      packet.resize(std::min<std::size_t>(size, 3520));  // what a test run puts into the first
    } else if (is_perf(GetParam())) {
      packet.resize(std::min<std::size_t>(size, 65492));
    }
    EXPECT_TRUE(records[0].bytes == packet) << size << ", got " << records[0].bytes.size();
  }
}

TEST_P(TransportTest, CutsAtTheSnapLength) {
  for (const std::uint32_t snaplen : {1U, 64U, 65U, 1000U}) {
    const Rig rig(GetParam(), {.snaplen_bytes = snaplen});
    for (const std::uint32_t size : {60U, 64U, 65U, 999U, 1000U, 1001U}) {
      std::vector<std::uint8_t> packet = test::make_packet(size);
      rig.run(packet);
      const std::vector<Recorded> records = rig.records();
      ASSERT_EQ(records.size(), 1U);
      EXPECT_EQ(records[0].wire_length_bytes, size);
      packet.resize(std::min(size, snaplen));
      EXPECT_EQ(records[0].bytes, packet) << size << ", " << snaplen;
    }
  }
}

// Rings of a page, filled many times over by packets of changing size: what is in them and what is counted as lost is
// all there was, and each record that comes after says how many were lost before it.
TEST_P(TransportTest, CountsWhatARingOfOnePageCannotHold) {
  const test::OnOneCpu here;
  const Rig rig(GetParam(), {.snaplen_bytes = 512, .ring_bytes = 4096});
  std::uint64_t sent = 0;
  std::uint64_t recorded = 0;
  std::uint32_t lost = 0;
  for (std::uint32_t round = 0; round < 60; ++round) {
    const std::vector<std::uint8_t> packet = test::make_packet(60 + round * 7 % 500);
    rig.run(packet, round % 50 + 1);
    sent += round % 50 + 1;
    for (const Recorded& record : rig.records()) {
      ++recorded;
      EXPECT_TRUE(std::equal(record.bytes.begin(), record.bytes.end(), packet.begin()));
      EXPECT_GE(record.lost_packets, lost);
      lost = record.lost_packets;
    }
  }
  EXPECT_EQ(recorded + rig.lost(), sent);
  EXPECT_GT(rig.lost(), 0U);
  EXPECT_GT(recorded, 300U);
}

TEST_P(TransportTest, FitsRecordsOfItsSnapLengthIntoTheSmallestRing) {
  for (const std::uint32_t snaplen : {3968U, 4024U, 4032U}) {
    const Rig rig(GetParam(), {.snaplen_bytes = snaplen, .ring_bytes = 8192});
    for (int i = 0; i < 5; ++i) {
      rig.run(test::make_packet(3520));
      EXPECT_EQ(rig.records().size(), 1U) << snaplen;
    }
  }
}

// As of a processor that is plugged in during the capture.
TEST_P(TransportTest, LosesAndCountsWhatComesOnACpuWithoutARing) {
  const Rig rig(GetParam(), {.cpus = 1});
  constexpr std::uint32_t kPackets = 5;
  {
    const test::OnOneCpu without(1);
    rig.run(test::make_packet(60), kPackets);
  }
  EXPECT_EQ(rig.lost(), kPackets);
  EXPECT_TRUE(rig.records().empty());
  const test::OnOneCpu with(0);
  rig.run(test::make_packet(60));
  EXPECT_EQ(rig.lost(), kPackets);
  EXPECT_EQ(rig.records().size(), 1U);
}

TEST_P(TransportTest, HasARingForEachCpuThatIsPresent) {
  const RingSet rings = RingSet::create({.transport = GetParam(), .ring_bytes = 1U << 16}).value();
  EXPECT_EQ(rings.count(), present_cpus().value()) << "a CPU may be offline";
  EXPECT_GE(rings.memory_bytes(), rings.count() << 16U);
}

class SharedTransport : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

// Records of 96 bytes.
TEST_F(SharedTransport, WakesTheReaderAtTheWatermarkOnceAndAgainWhenItHasRead) {
  const test::OnOneCpu here;
  struct Case {
    std::uint32_t watermark_bytes;
    std::uint32_t packets_until_woken;
  };
  for (const Case& c : {Case{0, 1}, Case{1, 1}, Case{2, 1}, Case{96, 1}, Case{97, 2}, Case{960, 10},
                        Case{961, 11}}) {
    const Rig rig(Transport::Shared, {.watermark_bytes = c.watermark_bytes});
    for (int round = 0; round < 2; ++round) {
      for (std::uint32_t i = 1; i < c.packets_until_woken; ++i) {
        rig.run(test::make_packet(60));
        EXPECT_FALSE(rig.is_woken()) << "at packet " << i << " at " << c.watermark_bytes;
      }
      rig.run(test::make_packet(60));
      EXPECT_TRUE(rig.is_woken()) << c.watermark_bytes;
      rig.run(test::make_packet(60), 50);
      EXPECT_FALSE(rig.is_woken()) << "far behind, at " << c.watermark_bytes;
      rig.records();
    }
  }
}

TEST_F(SharedTransport, RingsAThousandTimesThoughNobodyAnswers) {
  const test::OnOneCpu here;
  const Rig rig(Transport::Shared, {});
  for (int i = 0; i < 1000; ++i) {
    rig.run(test::make_packet(60));
    EXPECT_EQ(rig.records().size(), 1U);
  }
  EXPECT_TRUE(rig.is_woken());
  EXPECT_FALSE(rig.is_woken());
  rig.run(test::make_packet(60));
  EXPECT_TRUE(rig.is_woken());
  EXPECT_EQ(rig.lost(), 0U);
}

INSTANTIATE_TEST_SUITE_P(All, TransportTest, testing::ValuesIn(kTransports),
                         [](const auto& parameter) { return std::string(name(parameter.param)); });

class TransportChoice : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(TransportChoice, IsTheFirstThatTheKernelTakes) {
  const Result<ChosenTransport> best = find_transport(kPlain, std::nullopt);
  ASSERT_TRUE(best.has_value()) << best.error().message;
  for (const Transport transport : kTransports) {
    if (transport == best->transport) {
      return;
    }
    EXPECT_FALSE(find_transport(kPlain, transport).has_value()) << name(transport);
  }
}

TEST_F(TransportChoice, SaysWhatAMissingCapabilityIs) {
  constexpr std::uint64_t kSysAdmin = std::uint64_t{1} << 21;
  constexpr std::uint64_t kBpf = std::uint64_t{1} << 39;
  const test::ReducedCapabilities few(~(kSysAdmin | kBpf));
  const Result<ChosenTransport> chosen = find_transport(kPlain, std::nullopt);
  ASSERT_FALSE(chosen.has_value());
  EXPECT_EQ(chosen.error().code, Errc::Permission);
}

TEST(TransportNames, AreReadBack) {
  for (const Transport transport : kTransports) {
    EXPECT_EQ(parse_transport(name(transport)).value(), transport);
  }
  const auto unknown = parse_transport("pigeon");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().message, HasSubstr("shared, classes, dynptr, linear, perf"));
}

}  // namespace
}  // namespace xdpcap
