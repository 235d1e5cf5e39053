// SPDX-License-Identifier: BSD-3-Clause
//
// Random filters of three to six terms mean what libpcap's own interpreter makes of libpcap's program for them.
//
// DIFFERENTIAL_SEED and DIFFERENTIAL_FILTERS choose others and more: see verify/nightly.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "verify/differential/engines/environment.h"
#include "verify/differential/engines/meaning.h"
#include "verify/differential/generators/packet_maker.h"
#include "verify/differential/generators/random_filter.h"

namespace differential {
namespace {

class RandomFilters : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomFilters, MeanWhatLibpcapsInterpreterSays) {
  constexpr std::uint64_t kUsualFilters = 20'000;
  constexpr int kPackets = 12;
  constexpr std::size_t kPaths = 6;
  const std::uint64_t seed = from_environment("DIFFERENTIAL_SEED", 1) * 2 + GetParam();
  const std::uint64_t filters = from_environment("DIFFERENTIAL_FILTERS", kUsualFilters) / 2;
  std::uint64_t refused = 0;
  std::uint64_t packets = 0;
  std::uint64_t matches = 0;
  std::uint64_t varied = 0;
  for (std::uint64_t n = 0; n < filters; ++n) {
    Dice dice(seed << 32 | n);
    const RandomFilter random = random_filter(dice, dice.between(3, 6));
    Meaning meaning;
    std::string failure = meaning.load(random.text());
    std::vector<Packet> made;
    for (int i = 0; i < kPackets; ++i) {
      made.push_back(random_packet(dice));
    }
    if (failure.empty() && !meaning.is_refused() && !meaning.rejects_all()) {
      for (Packet& packet : explore(meaning.filter(), kPaths, dice)) {
        made.push_back(std::move(packet));
      }
    }
    refused += meaning.is_refused() ? 1U : 0U;
    if (meaning.is_refused() && failure.empty()) {
      continue;
    }
    std::uint64_t matches_here = 0;
    Packet failing;
    for (const Packet& packet : made) {
      if (!failure.empty()) {
        break;
      }
      failure = meaning.run(packet);
      failing = packet;
      matches_here += meaning.libpcap_matches(packet) ? 1U : 0U;
    }
    packets += made.size();
    matches += matches_here;
    varied += matches_here > 0 && matches_here < made.size() ? 1U : 0U;
    if (!failure.empty()) {
      const auto fails = [&](const RandomFilter& less) {
        Meaning again;
        return !again.load(less.text()).empty() ||
               (!again.is_refused() && !again.run(failing).empty());
      };
      FAIL() << "DIFFERENTIAL_SEED=" << seed / 2 << ", filter " << n << ": " << random.text()
             << "\n"
             << failure << "\nsmallest: " << shrink(random, fails).text();
    }
  }
  RecordProperty("matches_percent", static_cast<int>(100 * matches / packets));
  fmt::print(
      "{} filters, {} refused by libpcap, {} with both answers; {:.1f} % of {} packets match\n",
      filters, refused, varied, 100.0 * static_cast<double>(matches) / static_cast<double>(packets),
      packets);
  // The vocabulary is such that a wrong answer shows.
  EXPECT_LT(refused, filters / 2);
  EXPECT_GT(varied, filters / 4);
  EXPECT_GT(matches, packets / 5);
  EXPECT_LT(matches, packets * 4 / 5);
}

INSTANTIATE_TEST_SUITE_P(Half, RandomFilters, testing::Values(0, 1));

}  // namespace
}  // namespace differential
