// SPDX-License-Identifier: BSD-3-Clause
//
// The capture program in the kernel: the verifier takes it, and it records what it should.

#include "xdpcap/program/capture_program.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>

#include "base/testing/one_cpu.h"
#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/abi.h"
#include "xdpcap/program/counters.h"
#include "xdpcap/program/filter_code.h"
#include "xdpcap/program/ring_set.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"
#include "xdpcap/tests/kernel/netns.h"

namespace xdpcap {
namespace {

using test::make_packet;
using test::RunOptions;
using test::RunResult;

constexpr std::uint32_t kMatch = 1;
constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};
constexpr Variant kMultiBuffer{.expected_attach_type = kAttachTypeXdp, .multi_buffer = true};
constexpr std::array<Variant, 4> kVariants = {kPlain, kMultiBuffer, {0, false}, {0, true}};

struct Record {
  abi::RecordHeader header{};
  std::vector<std::uint8_t> bytes;
};

/// A capture program with its maps, without a hook.
class Rig {
 public:
  struct Options {
    Action action = Action::Pass;
    std::uint32_t snaplen_bytes = 65535;
    std::uint32_t watermark_bytes = 1;
    std::uint64_t ring_bytes = 1U << 20;
    Variant variant = kPlain;
    std::shared_ptr<const RingSet> rings = nullptr;  ///< to use; nullptr: own ones
  };

  Rig(const cbpfc::Filter& filter, const Options& options)
      : rings_(options.rings ? options.rings
                             : std::make_shared<RingSet>(
                                   RingSet::create({.ring_bytes = options.ring_bytes}).value())),
        counters_(create_per_cpu_array("test_counters", sizeof(abi::Counters), 5).value()),
        action_(options.action) {
    const auto insns = build_capture_program(filter, {.action = options.action,
                                                      .snaplen_bytes = options.snaplen_bytes,
                                                      .watermark_bytes = options.watermark_bytes,
                                                      .multi_buffer = options.variant.multi_buffer,
                                                      .rings_fd = rings_->map_fd(),
                                                      .counters_fd = counters_.get()});
    EXPECT_TRUE(insns.has_value());
    Result<UniqueFd> program =
        load_xdp_program({.name = "test_capture",
                          .insns = *insns,
                          .expected_attach_type = options.variant.expected_attach_type,
                          .multi_buffer = options.variant.multi_buffer});
    EXPECT_TRUE(program.has_value()) << program.error().message << program.error().detail;
    if (program.has_value()) {
      program_ = std::move(*program);
    }
  }

  RunResult run(std::span<const std::uint8_t> packet, const RunOptions& options = {}) const {
    return test::test_run(program_.get(), packet, options);
  }
  std::vector<Record> records() const {
    std::vector<Record> records;
    for (const std::vector<std::uint8_t>& raw : test::drain_rings(*rings_)) {
      Record record;
      EXPECT_GE(raw.size(), sizeof(record.header));
      std::memcpy(&record.header, raw.data(), sizeof(record.header));
      EXPECT_GE(raw.size(), sizeof(record.header) + record.header.captured_bytes);
      record.bytes.assign(raw.begin() + sizeof(record.header),
                          raw.begin() + static_cast<std::ptrdiff_t>(sizeof(record.header) +
                                                                    record.header.captured_bytes));
      records.push_back(std::move(record));
    }
    return records;
  }
  /// received, matched, lost
  std::vector<std::uint64_t> counters() const {
    constexpr std::size_t kNumbers = sizeof(abi::Counters) / sizeof(std::uint64_t);
    const std::vector<std::uint64_t> numbers =
        read_per_cpu_numbers(counters_.get(), static_cast<std::uint32_t>(index(action_)), kNumbers)
            .value();
    abi::Counters sum{};
    for (std::size_t i = 0; i < numbers.size(); i += kNumbers) {
      abi::Counters one;
      std::memcpy(static_cast<void*>(&one), &numbers[i], sizeof(one));
      sum += one;
    }
    return {sum.received, sum.matched, sum.lost};
  }
  bool is_loaded() const { return program_.is_open(); }
  int ring_fd(int cpu) const { return rings_->rings().at(static_cast<std::size_t>(cpu)).get(); }

 private:
  std::shared_ptr<const RingSet> rings_;
  UniqueFd counters_;
  UniqueFd program_;
  Action action_;
};

std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

class CaptureProgramTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(CaptureProgramTest, LoadsWithEveryOption) {
  const auto rings = std::make_shared<RingSet>(RingSet::create({.ring_bytes = 4096}).value());
  for (const Variant& variant : kVariants) {
    for (const Action action : kActions) {
      for (const std::uint32_t snaplen : {1U, 63U, 64U, 65U, 1500U, 65534U, 65535U}) {
        for (const std::uint32_t watermark : {0U, 1U, 2U, 1U << 20, 1U << 31}) {
          const Rig rig(test::byte_filter(12, 0x88), {.action = action,
                                                      .snaplen_bytes = snaplen,
                                                      .watermark_bytes = watermark,
                                                      .variant = variant,
                                                      .rings = rings});
          ASSERT_TRUE(rig.is_loaded())
              << variant.describe() << ", " << name(action) << ", " << snaplen << ", " << watermark;
        }
      }
    }
  }
}

TEST_F(CaptureProgramTest, LoadsWithEveryCombinationOfLimits) {
  const RingSet rings = RingSet::create({.ring_bytes = 4096}).value();
  const UniqueFd counters = create_per_cpu_array("test_counters", sizeof(abi::Counters), 5).value();
  const UniqueFd shared = create_array("test_limits", sizeof(abi::SharedLimits), 1).value();
  const UniqueFd flows =
      create_lru_hash("test_flows", sizeof(abi::FlowKey), sizeof(std::uint64_t), 64).value();
  const UniqueFd whole =
      create_array("test_whole", kWholePacketBytes, possible_cpus().value()).value();
  for (const bool multi_buffer : {false, true}) {
    for (const bool counts_only : {false, true}) {
      for (unsigned chosen = 0; chosen < 32; ++chosen) {
        CaptureProgramSpec spec{.action = Action::Tx,
                                .multi_buffer = multi_buffer,
                                .rings_fd = rings.map_fd(),
                                .counters_fd = counters.get(),
                                .whole_packets_fd = multi_buffer ? whole.get() : -1,
                                .shared_limits_fd = shared.get(),
                                .flows_fd = flows.get(),
                                .counts_only = counts_only};
        spec.limits.sample_one_in =
            (chosen & 1) != 0 ? std::optional((chosen & 16) != 0 ? 1U : 7U) : std::nullopt;
        spec.limits.packets_per_second = (chosen & 2) != 0 ? std::optional(3U) : std::nullopt;
        spec.limits.packets_per_flow =
            (chosen & 4) != 0 ? std::optional<std::uint64_t>(~0ULL) : std::nullopt;
        spec.limits.most_packets =
            (chosen & 8) != 0 ? std::optional<std::uint64_t>(~0ULL) : std::nullopt;
        const auto insns = build_capture_program(test::byte_filter(12, 0x88), spec);
        ASSERT_TRUE(insns.has_value()) << insns.error().message;
        const auto program = load_xdp_program({.name = "test_limits",
                                               .insns = *insns,
                                               .expected_attach_type = kAttachTypeXdp,
                                               .multi_buffer = multi_buffer});
        ASSERT_TRUE(program.has_value())
            << multi_buffer << counts_only << " " << chosen << program.error().detail;
      }
    }
  }
}

TEST_F(CaptureProgramTest, RecordsEveryByteOfSingleBufferPackets) {
  const Rig rig(test::constant_filter(kMatch), {.variant = kPlain});
  std::uint64_t sent = 0;
  for (std::size_t size = 14; size <= 3520; size += size < 140 ? 1 : 61) {
    const std::vector<std::uint8_t> packet = make_packet(size);
    const RunResult result = rig.run(packet);
    const std::vector<Record> records = rig.records();
    ASSERT_EQ(records.size(), 1U) << size;
    EXPECT_EQ(records[0].bytes, packet) << size;
    EXPECT_EQ(records[0].header.wire_length_bytes, size);
    EXPECT_EQ(result.packet, packet) << size;
    EXPECT_EQ(result.action, index(Action::Pass));
    ++sent;
  }
  EXPECT_EQ(rig.counters(), (std::vector<std::uint64_t>{sent, sent, 0}));
}

TEST_F(CaptureProgramTest, RecordsEveryByteOfMultiBufferPackets) {
  const Rig rig(test::constant_filter(kMatch), {.action = Action::Drop, .variant = kMultiBuffer});
  for (const std::size_t size : {14U, 3520U, 3521U, 4096U, 7616U, 9000U, 16384U, 16385U, 32768U,
                                 32769U, 60000U, 65534U, 65535U}) {
    const std::vector<std::uint8_t> packet = make_packet(size);
    const RunResult result = rig.run(packet);
    const std::vector<Record> records = rig.records();
    ASSERT_EQ(records.size(), 1U) << size;
    EXPECT_TRUE(records[0].bytes == packet) << size;
    EXPECT_EQ(records[0].header.wire_length_bytes, size);
    EXPECT_TRUE(result.packet == packet) << size;
    EXPECT_EQ(result.action, index(Action::Drop));
  }
}

// As on a processor that is plugged in during the capture.
TEST_F(CaptureProgramTest, LosesPacketsOfSeveralBuffersWhereNoneHoldsThemWhole) {
  const RingSet rings = RingSet::create({.ring_bytes = 1U << 17, .cpus = 1}).value();
  const UniqueFd counters = create_counters().value();
  const UniqueFd whole = create_array("test_whole", kWholePacketBytes, 1).value();
  constexpr std::uint32_t kOffset = 5000;  // behind the first buffer
  std::vector<std::uint8_t> packet = make_packet(9000);
  const auto insns = build_capture_program(test::byte_filter(kOffset, packet[kOffset]),
                                           {.multi_buffer = true,
                                            .rings_fd = rings.map_fd(),
                                            .counters_fd = counters.get(),
                                            .whole_packets_fd = whole.get()})
                         .value();
  const UniqueFd program = load_xdp_program({.name = "test_whole",
                                             .insns = insns,
                                             .expected_attach_type = kAttachTypeXdp,
                                             .multi_buffer = true})
                               .value();
  for (const bool matches : {true, false}) {
    packet[kOffset] = static_cast<std::uint8_t>(packet[kOffset] ^ (matches ? 0 : 1));
    for (const int cpu : {0, 1}) {
      const test::OnOneCpu here(cpu);
      EXPECT_EQ(test::test_run(program.get(), packet).action, index(Action::Pass));
    }
  }
  const auto by_cpu = read_counters_by_cpu(counters.get()).value();
  const abi::Counters& with = by_cpu[0][index(Action::Pass)];
  EXPECT_EQ(with.received, 2U);
  EXPECT_EQ(with.matched, 1U);
  EXPECT_EQ(with.lost, 0U);
  const abi::Counters& without = by_cpu[1][index(Action::Pass)];
  EXPECT_EQ(without.received, 2U);
  EXPECT_EQ(without.matched, 2U) << "whether it matches is not known";
  EXPECT_EQ(without.lost, 2U);
}

TEST_F(CaptureProgramTest, CutsPacketsBeyondWhatTheKernelCopies) {
  const Rig rig(test::constant_filter(kMatch), {.variant = kMultiBuffer});
  std::vector<std::uint8_t> packet = make_packet(70000);
  rig.run(packet);
  const std::vector<Record> records = rig.records();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].header.wire_length_bytes, packet.size());
  packet.resize(abi::kMaxCapturedBytes);
  EXPECT_TRUE(records[0].bytes == packet);
}

TEST_F(CaptureProgramTest, CutsAtTheSnapLength) {
  for (const std::uint32_t snaplen : {1U, 14U, 64U, 65U, 96U, 1000U, 1514U}) {
    const Rig rig(test::constant_filter(kMatch), {.snaplen_bytes = snaplen});
    for (const std::uint32_t size : {60U, 64U, 65U, 999U, 1000U, 1001U, 1514U}) {
      std::vector<std::uint8_t> packet = make_packet(size);
      rig.run(packet);
      const std::vector<Record> records = rig.records();
      ASSERT_EQ(records.size(), 1U);
      EXPECT_EQ(records[0].header.wire_length_bytes, size);
      packet.resize(std::min(size, snaplen));
      EXPECT_EQ(records[0].bytes, packet) << size << " at " << snaplen;
    }
  }
}

TEST_F(CaptureProgramTest, HeaderSaysWhereAndWhen) {
  const test::NetNamespace net({.queues = 4});
  const auto inside = net.enter();
  // An interface has XDP receive queues while it has an XDP program.
  const UniqueFd link =
      test::attach_xdp(test::load_returning(2, kPlain, "test_pass").get(), net.right_ifindex());
  for (const Action action : kActions) {
    const Rig rig(test::constant_filter(kMatch), {.action = action});
    const std::uint64_t before = monotonic_ns();
    const RunResult result =
        rig.run(make_packet(60), {.ifindex = net.right_ifindex(), .rx_queue = 3});
    const std::uint64_t after = monotonic_ns();
    EXPECT_EQ(result.action, index(action));
    const std::vector<Record> records = rig.records();
    ASSERT_EQ(records.size(), 1U);
    const abi::RecordHeader& header = records[0].header;
    EXPECT_EQ(header.action, index(action));
    EXPECT_EQ(header.ifindex, net.right_ifindex());
    EXPECT_EQ(header.rx_queue, 3U);
    EXPECT_EQ(header.lost_packets, 0U);
    EXPECT_GE(header.ktime_ns, before);
    EXPECT_LE(header.ktime_ns, after);
    EXPECT_EQ(header.captured_bytes, 60U);
  }
}

TEST_F(CaptureProgramTest, FilterDecides) {
  const Rig rig(test::byte_filter(20, 0x55), {});
  std::vector<std::uint8_t> packet = make_packet(60);
  packet[20] = 0x54;
  EXPECT_EQ(rig.run(packet, {.repeat = 3}).action, index(Action::Pass));
  EXPECT_TRUE(rig.records().empty());
  EXPECT_EQ(rig.counters(), (std::vector<std::uint64_t>{3, 0, 0}));
  packet[20] = 0x55;
  rig.run(packet, {.repeat = 2});
  EXPECT_EQ(rig.records().size(), 2U);
  EXPECT_EQ(rig.counters(), (std::vector<std::uint64_t>{5, 2, 0}));
  // Too short for the filter's load: no match.
  rig.run(make_packet(20));
  EXPECT_EQ(rig.counters(), (std::vector<std::uint64_t>{6, 2, 0}));
}

TEST_F(CaptureProgramTest, CountsWhatTheRingCannotHold) {
  const test::OnOneCpu one_cpu;
  const std::uint32_t record_bytes = 8 + sizeof(abi::RecordHeader) + 64;
  const std::uint64_t room = 4096 / record_bytes;
  const Rig rig(test::constant_filter(kMatch), {.ring_bytes = 4096});
  EXPECT_EQ(rig.run(make_packet(60), {.repeat = 100}).action, index(Action::Pass));
  std::vector<Record> records = rig.records();
  EXPECT_EQ(records.size(), room);
  EXPECT_EQ(rig.counters(), (std::vector<std::uint64_t>{100, 100, 100 - room}));
  // The next record that finds room says how many were lost before it.
  rig.run(make_packet(60));
  records = rig.records();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].header.lost_packets, 100 - room);
}

/// Whether the ring has asked for its reader since `epoll_fd` was last asked; edge-triggered,
/// because a level says only that the ring is not empty.
bool was_woken(int epoll_fd) {
  epoll_event event{};
  constexpr int kPatienceMs = 50;
  return ::epoll_wait(epoll_fd, &event, 1, kPatienceMs) == 1;
}

TEST_F(CaptureProgramTest, WakesTheReaderAtTheWatermark) {
  const test::OnOneCpu here;
  struct Case {
    std::uint32_t watermark_bytes;
    std::uint32_t packets_until_woken;  ///< of 96 bytes each in the ring
  };
  for (const Case& c : {Case{0, 1}, Case{1, 1}, Case{2, 1}, Case{96, 1}, Case{97, 2}, Case{960, 10},
                        Case{961, 11}}) {
    const Rig rig(test::constant_filter(kMatch), {.watermark_bytes = c.watermark_bytes});
    const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
    ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, rig.ring_fd(here.cpu()), &event), 0);
    for (std::uint32_t i = 1; i <= c.packets_until_woken; ++i) {
      ASSERT_FALSE(was_woken(epoll.get())) << "before packet " << i << " at " << c.watermark_bytes;
      rig.run(make_packet(60));
    }
    EXPECT_TRUE(was_woken(epoll.get())) << c.watermark_bytes;
  }
}

TEST_F(CaptureProgramTest, StopsWakingAReaderThatIsFarBehind) {
  const test::OnOneCpu here;
  // Room for 32 KiB and one record beyond the watermark wakes, what comes after does not.
  const Rig rig(test::constant_filter(kMatch), {.snaplen_bytes = 64, .watermark_bytes = 960});
  rig.run(make_packet(60), {.repeat = 310});
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
  ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, rig.ring_fd(here.cpu()), &event), 0);
  // The ring is readable when it is added; only what comes after that counts.
  EXPECT_TRUE(was_woken(epoll.get()));
  rig.run(make_packet(60), {.repeat = 100});
  EXPECT_FALSE(was_woken(epoll.get()));
  // Read to the end, it is woken at the watermark again.
  rig.records();
  rig.run(make_packet(60), {.repeat = 9});
  EXPECT_FALSE(was_woken(epoll.get()));
  rig.run(make_packet(60));
  EXPECT_TRUE(was_woken(epoll.get()));
}

}  // namespace
}  // namespace xdpcap
