// SPDX-License-Identifier: BSD-3-Clause

#include <fmt/format.h>

#include "bench/compiler/report.h"
#include "bench/support/csv.h"

namespace bench {
namespace {

std::string times(const std::optional<Summary>& ns) {
  return ns ? fmt::format("{:.4f},{:.4f},{:.4f}", ns->median, ns->p10, ns->iqr) : ",,";
}

std::string filter_lines(const FilterRow& row, int rounds) {
  std::string text;
  for (const Contender contender : kContenders) {
    const Score& score = row.scores[contender];
    for (const PacketKind kind : kPacketKinds) {
      text += fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", quoted(row.expression),
                          quoted(row.group), name(contender), name(kind), row.classic_insns,
                          score.emitted_insns, score.executed_insns[kind],
                          times(score.filter_ns[kind]), row.copies, rounds, quoted(score.failure));
    }
  }
  return text;
}

std::string list_lines(const ListRow& row, int rounds) {
  std::string text;
  for (const Contender contender : kContenders) {
    const ListScore& score = row.scores[contender];
    text +=
        fmt::format("{},{},{},random,{},{},{:.2f},{},1,{},{}\n", quoted(row.name),
                    quoted("random keys"), name(contender), row.classic_insns, score.emitted_insns,
                    score.executed_insns, times(score.filter_ns), rounds, quoted(score.failure));
  }
  return text;
}

}  // namespace

std::string csv_text(const Results& results) {
  std::string text =
      "filter,group,contender,packet,classic_insns,emitted_insns,executed_insns,median_ns,p10_ns,"
      "iqr_ns,copies,rounds,failure\n";
  for (const FilterRow& row : results.filters) {
    text += filter_lines(row, results.rounds);
  }
  for (const ListRow& row : results.lists) {
    text += list_lines(row, results.rounds);
  }
  return text;
}

}  // namespace bench
