// SPDX-License-Identifier: BSD-3-Clause
//
// Random packets through a target, without a capture and with one: what it returns and what it makes of them is the same, and that is
// what is captured.  Of those it changes, too: the hook gets what is in the packet then.
//
// XDPCAP_RANDOM_PACKETS says how many; 100,000 unless it does.

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

constexpr std::size_t kMostFrameBytes = 1514;
constexpr std::uint32_t kActions = 5;

struct Passage {
  std::uint32_t value = 0;
  Bytes frame;
  bool operator==(const Passage&) const = default;
};

Passage pass_through(int program_fd, const Bytes& frame) {
  Passage passage{.value = 0, .frame = Bytes(kMostFrameBytes + 64)};
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<std::uint32_t>(frame.size());
  options.data_out = passage.frame.data();
  options.data_size_out = static_cast<std::uint32_t>(passage.frame.size());
  options.repeat = 1;
  if (bpf_prog_test_run_opts(program_fd, &options) != 0) {
    give_up("BPF_PROG_TEST_RUN");
  }
  passage.value = options.retval;
  passage.frame.resize(options.data_size_out);
  return passage;
}

// A third of them orders, a third orders to change the packet, a third anything.
class RandomFrames {
 public:
  Bytes next() {
    const std::size_t size = 60 + random_() % (kMostFrameBytes - 60 + 1);
    Bytes frame(size);
    for (std::uint8_t& byte : frame) {
      byte = static_cast<std::uint8_t>(random_());
    }
    const auto kind = random_() % 3;
    if (kind != 0) {
      const Bytes order =
          udp_frame({.source = 5000, .destination = kind == 1 ? kOrderPort : kChangedPort},
                    {{static_cast<std::uint8_t>('0' + random_() % 8)}});
      std::ranges::copy(order, frame.begin());
    }
    return frame;
  }

 private:
  std::mt19937 random_{40};
};

std::size_t packets_to_send() {
  const char* const given = std::getenv("XDPCAP_RANDOM_PACKETS");  // NOLINT(concurrency-mt-unsafe)
  return given != nullptr ? std::strtoul(given, nullptr, 10) : 100'000;
}

class RandomPackets : public EndToEndTest {};

TEST_F(RandomPackets, AreTheSameWithAndWithoutACapture) {
  const std::size_t count = packets_to_send();
  const Rig rig;
  const int program_fd = rig.target().program_fd();
  std::vector<Passage> without;
  RandomFrames frames;
  std::size_t changed = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes frame = frames.next();
    without.push_back(pass_through(program_fd, frame));
    changed += without.back().frame.size() == frame.size() + 1 ? 1U : 0U;
  }
  EXPECT_GT(changed, count / 4);

  const std::string file = rig.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {"-B", "64M", rig.hook(), file});
  RandomFrames again;
  std::vector<Bytes> expected;
  std::size_t differing = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Passage with = pass_through(program_fd, again.next());
    differing += with == without[i] ? 0U : 1U;
    if (with.value < kActions) {
      expected.push_back(std::move(with.frame));
    }
  }
  capture.stop();
  EXPECT_EQ(differing, 0U);
  EXPECT_LT(expected.size(), count) << "some actions have no slot";
  EXPECT_EQ(parse_totals(capture.last_line()).lost, 0U);
  EXPECT_TRUE(packets_in(file) == expected);
  fmt::print("{} packets, {} changed by the target, {} captured, {} differing\n", count, changed,
             expected.size(), differing);
}

}  // namespace
}  // namespace xdpcap::test
