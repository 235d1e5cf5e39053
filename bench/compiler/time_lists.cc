// SPDX-License-Identifier: BSD-3-Clause

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <random>

#include "bench/compiler/timing.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/program.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using xdpcap::UniqueFd;

/// Packets in a sample, however many of them a run has.
constexpr int kPackets = 16'000;
constexpr std::uint64_t kListOrderSeed = 5;
constexpr std::array kWithFilter = {false, true};

/// The programs of one contender for one list, loaded: without the filter and with it.
using LoadedPair = PerEnum<UniqueFd, 2, bool>;

struct ListShot {
  Contender contender;
  bool with_filter;
};

struct ListSamples {
  UniqueFd table;
  PerContender<LoadedPair> loaded;
  /// One value a round, without the filter and with it.
  PerContender<PerEnum<std::vector<double>, 2, bool>> ns;
};

Result<void> write_table(int map_fd, const KeyTable& table) {
  const int key = 0;
  if (bpf_map_update_elem(map_fd, &key, &table, BPF_ANY) != 0) {
    return xdpcap::kernel_failure("write the table of keys", errno, xdpcap::kMapCapabilities);
  }
  return {};
}

Result<UniqueFd> make_table(const KeyTable& table) {
  UniqueFd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "bench_keys", 4, sizeof(KeyTable), 1, nullptr));
  if (!map.is_open()) {
    return xdpcap::kernel_failure("create the table of keys", errno, xdpcap::kMapCapabilities);
  }
  TRY(write_table(map.get(), table));
  return map;
}

Result<LoadedPair> load(const Programs& programs, int table_fd) {
  LoadedPair loaded;
  for (const bool with_filter : kWithFilter) {
    Program program = with_filter ? programs.varying : programs.varying_base;
    bind_table(program, table_fd);
    loaded[with_filter] = TRY(xdpcap::load_xdp_program({.name = "bench_list", .insns = program}));
  }
  return loaded;
}

/// One run from the generator's first state must match as often as the reference interpreter says.
Result<void> check_answer(KernelTimer& timer, const ListSubject& subject,
                          const ListSamples& samples, const LoadedPair& loaded) {
  const KeyTable& table = subject.list.table;
  TRY(write_table(samples.table.get(), table));
  TRY(timer.select(loaded[true].get()));
  const std::uint32_t matches = TRY(timer.run(subject.list.packet));
  const std::uint32_t expected = matches_of_run(subject.list, subject.matching, table.random);
  if (matches != expected) {
    return cbpfc::fail(Errc::InvalidProgram,
                       fmt::format("in the kernel {} of {} packets match, by the interpreter {}",
                                   matches, subject.list.varying.loops, expected));
  }
  return {};
}

/// Loads the programs of all contenders that have not failed yet; the first failure stays.
void load_all(KernelTimer& timer, ListSubject& subject, ListSamples& samples) {
  for (const Contender contender : kContenders) {
    ListScore& score = subject.row.scores[contender];
    if (!score.failure.empty()) {
      continue;
    }
    auto loaded = load(subject.programs[contender], samples.table.get());
    const Result<void> ready = loaded ? check_answer(timer, subject, samples, *loaded)
                                      : Result<void>(std::unexpected(loaded.error()));
    if (ready) {
      samples.loaded[contender] = *std::move(loaded);
    } else {
      score.failure = ready.error().message;
    }
  }
}

/// A list's turn in a round.
Result<void> sample(KernelTimer& timer, const ListSubject& subject, ListSamples& samples,
                    std::mt19937_64& random) {
  std::vector<ListShot> shots;
  for (const Contender contender : kContenders) {
    for (const bool with_filter : kWithFilter) {
      if (subject.row.scores[contender].failure.empty()) {
        shots.push_back({contender, with_filter});
      }
    }
  }
  std::ranges::shuffle(shots, random);
  const auto repeat = static_cast<std::uint32_t>(kPackets / subject.list.varying.loops);
  for (const ListShot& shot : shots) {
    TRY(timer.select(samples.loaded[shot.contender][shot.with_filter].get()));
    samples.ns[shot.contender][shot.with_filter].push_back(
        TRY(timer.time_ns(subject.list.packet, repeat)));
  }
  return {};
}

}  // namespace

Result<void> time_lists(KernelTimer& timer, std::span<ListSubject> subjects, int rounds,
                        const Progress& progress) {
  std::mt19937_64 random(kListOrderSeed);
  std::vector<ListSamples> samples(subjects.size());
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    samples[i].table = TRY(make_table(subjects[i].list.table));
  }
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
      ListScore& score = subjects[i].row.scores[contender];
      if (score.failure.empty()) {
        const auto& ns = samples[i].ns[contender];
        score.filter_ns = summarize_difference(ns[true], ns[false], subjects[i].list.varying.loops);
      }
    }
  }
  return {};
}

}  // namespace bench
