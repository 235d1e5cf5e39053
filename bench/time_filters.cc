// SPDX-License-Identifier: BSD-3-Clause

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "kernel/program.h"
#include "timing.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using xdpcap::UniqueFd;

/// Runs in a sample: about a millisecond, short against the time slice of a scheduler.
constexpr std::uint32_t kRepeat = 8000;
constexpr std::uint64_t kSeed = 3;

/// The programs of one contender for one filter, loaded.
struct Loaded {
  UniqueFd one;
  UniqueFd many;
};

/// One sample to take.
struct Shot {
  Contender contender;
  PacketKind kind;
  bool is_many;
};

struct Samples {
  PerContender<Loaded> loaded;
  PerContender<PerPacket<std::vector<double>>> filter_ns;
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
void load_all(KernelTimer& timer, FilterSubject& subject, Samples& samples) {
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

std::vector<Shot> shots_of(const FilterSubject& subject) {
  std::vector<Shot> shots;
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
Result<void> sample(KernelTimer& timer, const FilterSubject& subject, Samples& samples,
                    std::mt19937_64& random) {
  std::vector<Shot> shots = shots_of(subject);
  std::ranges::shuffle(shots, random);
  PerContender<PerPacket<PerEnum<double, 2, bool>>> ns;
  for (const Shot& shot : shots) {
    const Loaded& loaded = samples.loaded[shot.contender];
    TRY(timer.select((shot.is_many ? loaded.many : loaded.one).get()));
    ns[shot.contender][shot.kind][shot.is_many] =
        TRY(timer.time_ns(subject.packets[shot.kind], kRepeat));
  }
  for (const Shot& shot : shots) {
    if (shot.is_many) {
      const auto& both = ns[shot.contender][shot.kind];
      samples.filter_ns[shot.contender][shot.kind].push_back((both[true] - both[false]) /
                                                             (subject.row.copies - 1));
    }
  }
  return {};
}

}  // namespace

Result<void> time_filters(KernelTimer& timer, std::span<FilterSubject> subjects, int rounds,
                          const Progress& progress) {
  std::mt19937_64 random(kSeed);
  std::vector<Samples> samples(subjects.size());
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
          score.filter_ns[kind] = summarize(samples[i].filter_ns[contender][kind]);
        }
      }
    }
  }
  return {};
}

}  // namespace bench
