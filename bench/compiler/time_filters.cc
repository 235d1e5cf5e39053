// SPDX-License-Identifier: BSD-3-Clause

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "bench/compiler/timing.h"
#include "xdpcap/kernel/program.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using xdpcap::UniqueFd;

/// Runs in a sample, three times: a third of a millisecond each, short against a scheduler's time slice.
constexpr std::uint32_t kRepeat = 3000;
constexpr std::uint64_t kOrderSeed = 3;

/// The programs of one contender for one filter, loaded.
struct Loaded {
  UniqueFd one;
  UniqueFd many;
};

/// One sample to take.
struct FilterShot {
  Contender contender;
  PacketKind kind;
  bool is_many;
};

struct FilterSamples {
  PerContender<Loaded> loaded;
  /// One value a round, of the program with one copy and of that with many.
  PerContender<PerPacket<PerEnum<std::vector<double>, 2, bool>>> ns;
};

Result<void> check_answers(KernelTimer& timer, const FilterSubject& subject, const Loaded& loaded) {
  for (const bool is_many : {false, true}) {
    TRY(timer.select((is_many ? loaded.many : loaded.one).get()));
    for (const PacketKind kind : kPacketKinds) {
      const int copies = is_many ? subject.row.copies : 1;
      const int expected = kind == PacketKind::Match ? copies : 0;
      const std::uint32_t matches = TRY(timer.run(subject.packets[kind]));
      if (matches != static_cast<std::uint32_t>(expected)) {
        return cbpfc::fail(Errc::InvalidProgram,
                           fmt::format("in the kernel {} of {} copies of the filter match a packet "
                                       "that all should {}",
                                       matches, copies, name(kind)));
      }
    }
  }
  return {};
}

Result<Loaded> load(const Programs& programs) {
  return Loaded{
      .one = TRY(xdpcap::load_xdp_program({.name = "bench_one", .insns = programs.one})),
      .many = TRY(xdpcap::load_xdp_program({.name = "bench_many", .insns = programs.many}))};
}

/// Loads the programs of all contenders that have not failed yet; the first failure stays.
void load_all(KernelTimer& timer, FilterSubject& subject, FilterSamples& samples) {
  for (const Contender contender : kContenders) {
    Score& score = subject.row.scores[contender];
    if (!score.failure.empty()) {
      continue;
    }
    auto loaded = load(subject.programs[contender]);
    const Result<void> ready = loaded ? check_answers(timer, subject, *loaded)
                                      : Result<void>(std::unexpected(loaded.error()));
    if (ready) {
      samples.loaded[contender] = *std::move(loaded);
    } else {
      score.failure = ready.error().message;
    }
  }
}

std::vector<FilterShot> shots_of(const FilterSubject& subject) {
  std::vector<FilterShot> shots;
  for (const Contender contender : kContenders) {
    for (const PacketKind kind : kPacketKinds) {
      for (const bool is_many : {false, true}) {
        if (subject.row.scores[contender].failure.empty()) {
          shots.push_back({contender, kind, is_many});
        }
      }
    }
  }
  return shots;
}

/// A filter's turn in a round.
Result<void> sample(KernelTimer& timer, const FilterSubject& subject, FilterSamples& samples,
                    std::mt19937_64& random) {
  std::vector<FilterShot> shots = shots_of(subject);
  std::ranges::shuffle(shots, random);
  for (const FilterShot& shot : shots) {
    const Loaded& loaded = samples.loaded[shot.contender];
    TRY(timer.select((shot.is_many ? loaded.many : loaded.one).get()));
    samples.ns[shot.contender][shot.kind][shot.is_many].push_back(
        TRY(timer.time_ns(subject.packets[shot.kind], kRepeat)));
  }
  return {};
}

}  // namespace

Result<void> time_filters(KernelTimer& timer, std::span<FilterSubject> subjects, int rounds,
                          const Progress& progress) {
  std::mt19937_64 random(kOrderSeed);
  std::vector<FilterSamples> samples(subjects.size());
  std::vector<std::size_t> order(subjects.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (int round = 1; round <= rounds; ++round) {
    progress(round);
    std::ranges::shuffle(order, random);
    for (const std::size_t i : order) {
      if ((round - 1) % kRoundsALoad == 0) {
        load_all(timer, subjects[i], samples[i]);
      }
      TRY(sample(timer, subjects[i], samples[i], random));
    }
  }
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    for (const Contender contender : kContenders) {
      Score& score = subjects[i].row.scores[contender];
      for (const PacketKind kind : kPacketKinds) {
        if (score.failure.empty()) {
          const auto& ns = samples[i].ns[contender][kind];
          score.filter_ns[kind] =
              summarize_difference(ns[true], ns[false], subjects[i].row.copies - 1);
        }
      }
    }
  }
  return {};
}

}  // namespace bench
