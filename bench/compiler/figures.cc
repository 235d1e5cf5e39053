// SPDX-License-Identifier: BSD-3-Clause

#include "bench/compiler/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "bench/programs/filter_list.h"

namespace bench {
namespace {

std::optional<double> mean(const std::vector<double>& ratios) {
  return ratios.empty() ? std::nullopt : std::optional(geometric_mean(ratios));
}

/// Calls `add` with the scores of both on each filter that both could compile.
void for_each_pair(const std::vector<FilterRow>& rows, Contender other,
                   const std::function<void(const FilterRow&, const Score&, const Score&)>& add) {
  for (const FilterRow& row : rows) {
    const Score& ours = row.scores[Contender::Optimized];
    const Score& theirs = row.scores[other];
    if (ours.failure.empty() && theirs.failure.empty()) {
      add(row, ours, theirs);
    }
  }
}

/// Median of both packets together.
std::optional<double> filter_time(const Score& score) {
  const auto& match = score.filter_ns[PacketKind::Match];
  const auto& miss = score.filter_ns[PacketKind::Miss];
  if (!match || !miss) {
    return std::nullopt;
  }
  return nanoseconds(*match, Statistic::Median) + nanoseconds(*miss, Statistic::Median);
}

/// Of the filters that are no lists.
Figure compile_time(const std::vector<FilterRow>& rows) {
  double sum_us = 0;
  int count = 0;
  for (const FilterRow& row : rows) {
    if (row.group != kGroups.back() && row.compile_us > 0) {
      sum_us += row.compile_us;
      ++count;
    }
  }
  return {.what = "compile an ordinary filter, mean",
          .limit = 100,
          .measured = count > 0 ? std::optional(sum_us / count) : std::nullopt,
          .unit = "us"};
}

Figure slowest_to_clang(const std::vector<FilterRow>& rows) {
  Figure figure{.what = "time, the filter that loses most to clang", .limit = 1.15};
  const std::vector<FilterRatio> ratios = times_to_clang(rows);
  if (!ratios.empty()) {
    figure.measured = ratios.front().ratio;
    figure.note = ratios.front().expression;
  }
  return figure;
}

std::optional<double> list_time(const ListRow& row, Contender contender) {
  const auto& ns = row.scores[contender].filter_ns;
  return ns ? std::optional(nanoseconds(*ns, Statistic::Median)) : std::nullopt;
}

/// The worst of the lists of that length, of the three kinds the figure is about.
Figure list_figure(const Results& results, int terms, Contender other, double limit) {
  Figure figure{.what = fmt::format("random keys, {} terms, worst list to {}", terms, name(other)),
                .limit = limit};
  for (const ListRow& row : results.lists) {
    const auto ours = list_time(row, Contender::Optimized);
    const auto theirs = list_time(row, other);
    const bool is_meant = row.terms == terms && row.kind != "source hosts";
    if (is_meant && ours && theirs && *ours / *theirs > figure.measured.value_or(0)) {
      figure.measured = *ours / *theirs;
      figure.note = row.name;
    }
  }
  return figure;
}

Figure thousand_hosts(const Results& results) {
  Figure figure{.what = "random keys, 1000 hosts over 16 hosts", .limit = 40, .unit = "ns"};
  const auto time = [&](int terms) {
    const auto row = std::ranges::find_if(results.lists, [terms](const ListRow& list) {
      return list.kind == "hosts" && list.terms == terms;
    });
    return row == results.lists.end() ? std::nullopt : list_time(*row, Contender::Optimized);
  };
  const auto few = time(16);
  const auto many = time(1000);
  if (few && many) {
    figure.measured = *many - *few;
  }
  return figure;
}

}  // namespace

double nanoseconds(const Summary& summary, Statistic by) {
  return std::max(by == Statistic::Median ? summary.median : summary.p10, kFloorNs);
}

std::vector<FilterRatio> times_to_clang(const std::vector<FilterRow>& rows) {
  std::vector<FilterRatio> ratios;
  for_each_pair(rows, Contender::Clang, [&](const FilterRow& row, const Score& a, const Score& b) {
    const auto ours = filter_time(a);
    const auto theirs = filter_time(b);
    if (ours && theirs) {
      ratios.push_back({.expression = row.expression, .ratio = *ours / *theirs});
    }
  });
  std::ranges::sort(ratios, std::ranges::greater{}, &FilterRatio::ratio);
  return ratios;
}

std::optional<double> emitted_ratio(const std::vector<FilterRow>& rows, Contender other) {
  std::vector<double> ratios;
  for_each_pair(rows, other, [&](const FilterRow&, const Score& ours, const Score& theirs) {
    ratios.push_back(static_cast<double>(ours.emitted_insns) /
                     static_cast<double>(theirs.emitted_insns));
  });
  return mean(ratios);
}

std::optional<double> executed_ratio(const std::vector<FilterRow>& rows, Contender other) {
  std::vector<double> ratios;
  for_each_pair(rows, other, [&](const FilterRow&, const Score& ours, const Score& theirs) {
    for (const PacketKind kind : kPacketKinds) {
      ratios.push_back(static_cast<double>(ours.executed_insns[kind]) /
                       static_cast<double>(theirs.executed_insns[kind]));
    }
  });
  return mean(ratios);
}

std::optional<double> time_ratio(const std::vector<FilterRow>& rows, Contender other,
                                 Statistic by) {
  std::vector<double> ratios;
  for_each_pair(rows, other, [&](const FilterRow&, const Score& ours, const Score& theirs) {
    for (const PacketKind kind : kPacketKinds) {
      if (ours.filter_ns[kind] && theirs.filter_ns[kind]) {
        ratios.push_back(nanoseconds(*ours.filter_ns[kind], by) /
                         nanoseconds(*theirs.filter_ns[kind], by));
      }
    }
  });
  return mean(ratios);
}

std::vector<Figure> figures(const Results& results) {
  const auto& rows = results.filters;
  std::vector<Figure> all = {{.what = "time to unoptimised, geometric mean",
                              .limit = 0.6,
                              .measured = time_ratio(rows, Contender::Plain, Statistic::Median)},
                             {.what = "time to clang, geometric mean",
                              .limit = 0.95,
                              .measured = time_ratio(rows, Contender::Clang, Statistic::Median)},
                             slowest_to_clang(rows),
                             {.what = "instructions executed to unoptimised, geometric mean",
                              .limit = 0.65,
                              .measured = executed_ratio(rows, Contender::Plain)},
                             {.what = "instructions executed to clang, geometric mean",
                              .limit = 1,
                              .measured = executed_ratio(rows, Contender::Clang)},
                             {.what = "instructions emitted to unoptimised, geometric mean",
                              .limit = 0.8,
                              .measured = emitted_ratio(rows, Contender::Plain)},
                             {.what = "instructions executed to those after libpcap's optimiser",
                              .limit = 1,
                              .measured = executed_ratio(rows, Contender::AfterLibpcap)},
                             {.what = "instructions emitted to those after libpcap's optimiser",
                              .limit = 1,
                              .measured = emitted_ratio(rows, Contender::AfterLibpcap)},
                             compile_time(rows),
                             list_figure(results, 256, Contender::Plain, 0.5),
                             list_figure(results, 64, Contender::Plain, 1),
                             list_figure(results, 256, Contender::Clang, 1),
                             list_figure(results, 64, Contender::Clang, 1),
                             thousand_hosts(results)};
  for (const BuildTime& time : results.build_times) {
    all.push_back({.what = "until it runs: " + time.what,
                   .limit = 1000,
                   .measured = time.failure.empty() && time.load_ms ? std::optional(time.total_ms())
                                                                    : std::nullopt,
                   .unit = "ms",
                   .note = time.failure});
  }
  return all;
}

}  // namespace bench
