// SPDX-License-Identifier: BSD-3-Clause

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "bench/compiler/figures.h"
#include "bench/compiler/report.h"

namespace bench {
namespace {

constexpr std::size_t kNameWidth = 40;
constexpr std::size_t kColumnWidth = 8;

/// Columns, one a contender, of a table with a Row each line.
template <typename Row>
struct Block {
  std::string title;
  bool has_fraction = false;
  std::function<std::optional<double>(const Row&, Contender)> value;
};

std::optional<double> median(const std::optional<Summary>& times) {
  return times ? std::optional(times->median) : std::nullopt;
}

std::vector<Block<FilterRow>> filter_blocks(bool with_time) {
  std::vector<Block<FilterRow>> blocks;
  blocks.push_back({"emitted", false, [](const FilterRow& row, Contender contender) {
                      return std::optional<double>(row.scores[contender].emitted_insns);
                    }});
  for (const PacketKind kind : kPacketKinds) {
    blocks.push_back({fmt::format("executed, {}", name(kind)), false,
                      [kind](const FilterRow& row, Contender contender) {
                        return std::optional<double>(row.scores[contender].executed_insns[kind]);
                      }});
  }
  for (const PacketKind kind : kPacketKinds) {
    if (with_time) {
      blocks.push_back({fmt::format("ns, {}", name(kind)), true,
                        [kind](const FilterRow& row, Contender contender) {
                          return median(row.scores[contender].filter_ns[kind]);
                        }});
    }
  }
  return blocks;
}

std::vector<Block<ListRow>> list_blocks(bool with_time) {
  std::vector<Block<ListRow>> blocks;
  blocks.push_back({"emitted", false, [](const ListRow& row, Contender contender) {
                      return std::optional<double>(row.scores[contender].emitted_insns);
                    }});
  blocks.push_back({"executed, mean", true, [](const ListRow& row, Contender contender) {
                      return std::optional(row.scores[contender].executed_insns);
                    }});
  if (with_time) {
    blocks.push_back({"ns, random keys", true, [](const ListRow& row, Contender contender) {
                        return median(row.scores[contender].filter_ns);
                      }});
  }
  return blocks;
}

template <typename Row>
std::string header(std::string_view what, const std::vector<Block<Row>>& blocks) {
  std::string first = fmt::format("{:<{}}", "", kNameWidth);
  std::string second = fmt::format("{:<{}}", what, kNameWidth);
  for (const Block<Row>& block : blocks) {
    first += fmt::format("  {:>{}}", block.title, kContenders.size() * kColumnWidth);
    second += "  ";
    for (const std::string_view column : {"unopt", "opt", "libpcap", "clang"}) {
      second += fmt::format("{:>{}}", column, kColumnWidth);
    }
  }
  return first + "\n" + second + "\n";
}

std::string cell(std::optional<double> value, bool has_fraction) {
  if (!value) {
    return fmt::format("{:>{}}", "-", kColumnWidth);
  }
  return fmt::format("{:>{}.{}f}", *value, kColumnWidth, !has_fraction ? 0 : *value < 100 ? 2 : 1);
}

std::string short_name(const std::string& text) {
  constexpr std::string_view kMore = "...";
  return text.size() < kNameWidth
             ? text
             : text.substr(0, kNameWidth - kMore.size() - 1) + std::string(kMore);
}

/// What a row has in a column; none where the contender failed.
template <typename Row>
std::optional<double> value_of(const Block<Row>& block, const Row& row, Contender contender) {
  return row.scores[contender].failure.empty() ? block.value(row, contender) : std::nullopt;
}

template <typename Row>
std::string line(const std::string& text, const std::vector<Block<Row>>& blocks, const Row& row) {
  std::string result = fmt::format("{:<{}}", short_name(text), kNameWidth);
  for (const Block<Row>& block : blocks) {
    result += "  ";
    for (const Contender contender : kContenders) {
      result += cell(value_of(block, row, contender), block.has_fraction);
    }
  }
  return result + "\n";
}

std::string mean_line(const std::vector<Block<FilterRow>>& blocks,
                      const std::vector<FilterRow>& rows) {
  std::string result = fmt::format("{:<{}}", "geometric mean", kNameWidth);
  for (const Block<FilterRow>& block : blocks) {
    result += "  ";
    for (const Contender contender : kContenders) {
      std::vector<double> values;
      for (const FilterRow& row : rows) {
        if (const auto value = value_of(block, row, contender)) {
          values.push_back(std::max(*value, kFloorNs));
        }
      }
      result += cell(values.empty() ? std::nullopt : std::optional(geometric_mean(values)), true);
    }
  }
  return result + "\n";
}

std::string filter_table(const Results& results) {
  const auto blocks = filter_blocks(results.rounds > 0);
  std::string text = header("filter", blocks);
  for (const FilterRow& row : results.filters) {
    text += line(row.expression, blocks, row);
  }
  return text + mean_line(blocks, results.filters);
}

std::string list_table(const Results& results) {
  const auto blocks = list_blocks(results.rounds > 0);
  std::string text = header("or-list, half of the keys match", blocks);
  for (const ListRow& row : results.lists) {
    text += line(row.name, blocks, row);
  }
  return text;
}

std::string failures(const Results& results) {
  std::string text;
  const auto add = [&](const std::string& filter, Contender contender, const std::string& why) {
    if (!why.empty()) {
      text += fmt::format("{}, {}: {}\n", short_name(filter), name(contender), why);
    }
  };
  for (const Contender contender : kContenders) {
    if (contender == Contender::Clang && results.clang.empty()) {
      continue;  // said once
    }
    for (const FilterRow& row : results.filters) {
      add(row.expression, contender, row.scores[contender].failure);
    }
    for (const ListRow& row : results.lists) {
      add(row.name, contender, row.scores[contender].failure);
    }
  }
  return text.empty() ? text : "No figures for:\n" + text;
}

std::string build_table(const Results& results) {
  std::string text;
  for (const BuildTime& time : results.build_times) {
    text += time.failure.empty()
                ? fmt::format("{}: libpcap {:.0f} ms, cbpfc {:.0f} ms, {}{} instructions\n",
                              time.what, time.front_end_ms, time.compile_ms,
                              time.load_ms ? fmt::format("kernel {:.0f} ms, ", *time.load_ms) : "",
                              time.emitted_insns)
                : fmt::format("{}: {}\n", time.what, time.failure);
  }
  return text;
}

std::string figure_table(const Results& results) {
  std::string text = fmt::format("{:<56}{:>10}{:>12}\n", "figure to reach", "at most", "measured");
  for (const Figure& figure : figures(results)) {
    const int digits = figure.unit.empty() ? 2 : 0;
    text += fmt::format("{:<56}{:>10}{:>12}  {}{}\n", figure.what,
                        fmt::format("{:.{}f}{}{}", figure.limit, digits,
                                    figure.unit.empty() ? "" : " ", figure.unit),
                        figure.measured ? fmt::format("{:.{}f}{}{}", *figure.measured, digits,
                                                      figure.unit.empty() ? "" : " ", figure.unit)
                                        : "-",
                        !figure.measured      ? "not measured"
                        : figure.is_reached() ? "reached"
                                              : "missed",
                        figure.note.empty() ? "" : fmt::format(" ({})", short_name(figure.note)));
  }
  return text;
}

/// The filters on which clang's code is faster, the worst first.
std::string losses(const Results& results) {
  constexpr std::size_t kMost = 8;
  std::string text;
  std::size_t count = 0;
  for (const FilterRatio& filter : times_to_clang(results.filters)) {
    if (filter.ratio > 1 && ++count <= kMost) {
      text += fmt::format("{:8.2f}  {}\n", filter.ratio, short_name(filter.expression));
    }
  }
  return text.empty() ? text
                      : fmt::format("\nSlower than clang's: {} of {} filters{}\n{}", count,
                                    results.filters.size(),
                                    count > kMost ? ", of which the worst:" : ":", text);
}

}  // namespace

std::string table_text(const Results& results) {
  std::string text;
  if (!results.filters.empty()) {
    text += filter_table(results) + "\n";
  }
  if (!results.lists.empty()) {
    text += list_table(results) + "\n";
  }
  if (!results.build_times.empty()) {
    text += build_table(results) + "\n";
  }
  const std::string why = failures(results);
  text += why.empty() ? "" : why + "\n";
  text += figure_table(results);
  if (results.rounds > 0) {
    const auto p10 = [&](Contender other) {
      const auto ratio = time_ratio(results.filters, other, Statistic::P10);
      return ratio ? fmt::format("{:.2f}", *ratio) : "-";
    };
    text += fmt::format(
        "\nBy the tenth percentile in place of the median: time to unoptimised {}, to "
        "clang {}.\n",
        p10(Contender::Plain), p10(Contender::Clang));
  }
  text += losses(results);
  text += fmt::format("clang: {}\n", results.clang.empty() ? "none" : results.clang);
  return text;
}

}  // namespace bench
