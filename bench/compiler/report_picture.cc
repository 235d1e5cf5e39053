// SPDX-License-Identifier: BSD-3-Clause
//
// The picture, drawn by gnuplot: three panels of bars, one colour a contender.

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "bench/compiler/figures.h"
#include "bench/compiler/report.h"
#include "bench/programs/filter_list.h"
#include "bench/support/gnuplot.h"

namespace bench {
namespace {

/// Bars of one panel: one cluster for each label, in it one bar a contender.
class Bars {
 public:
  explicit Bars(std::string_view block) : block_(block) {}

  /// Adds a cluster; a contender without a value gets no bar.
  void add(const std::string& label, const PerContender<std::optional<double>>& values) {
    data_ += fmt::format("\"{}\"", label);
    for (const Contender contender : kContenders) {
      const auto& value = values[contender];
      data_ += value ? fmt::format(" {:.4f}", *value) : " NaN";
      is_shown_[contender] = is_shown_[contender] || value;
    }
    data_ += "\n";
  }

  /// The gnuplot commands that draw it where `placement` says; nothing without any bar.
  std::string script(std::string_view title, std::string_view unit,
                     std::string_view placement) const {
    constexpr std::array<std::string_view, kContenders.size()> kColours = {"#b0b7bf", "#1f77b4",
                                                                           "#8fbfe0", "#e08a2c"};
    std::string plots;
    for (const Contender contender : kContenders) {
      const auto index = static_cast<std::size_t>(contender);
      if (is_shown_[contender]) {
        plots += fmt::format("{} ${} using {}:xtic(1) title \"{}\" linecolor rgb \"{}\"",
                             plots.empty() ? "" : ",", block_, index + 2, name(contender),
                             kColours[index]);
      }
    }
    return plots.empty() ? ""
                         : fmt::format(
                               "${} << END\n{}END\n{}\nset title \"{}\"\n"
                               "set ylabel \"{}\"\nplot{}\n",
                               block_, data_, placement, title, unit, plots);
  }

 private:
  std::string block_;
  std::string data_;
  PerContender<bool> is_shown_;
};

using FilterValue = std::function<std::optional<double>(const Score&, PacketKind)>;

/// The values of a group's filters on both packets.
std::vector<double> group_values(const Results& results, std::string_view group,
                                 Contender contender, const FilterValue& value) {
  std::vector<double> values;
  for (const FilterRow& row : results.filters) {
    const Score& score = row.scores[contender];
    for (const PacketKind kind : kPacketKinds) {
      const auto one = value(score, kind);
      if (row.group == group && score.failure.empty() && one) {
        values.push_back(std::max(*one, kFloorNs));
      }
    }
  }
  return values;
}

/// For each group of filters, the geometric mean of each contender.
Bars group_bars(const Results& results, std::string_view block, const FilterValue& value) {
  Bars bars(block);
  for (const std::string_view group : kGroups) {
    PerContender<std::optional<double>> means;
    std::size_t filters = 0;
    for (const Contender contender : kContenders) {
      const std::vector<double> values = group_values(results, group, contender, value);
      if (!values.empty()) {
        means[contender] = geometric_mean(values);
        filters = std::max(filters, values.size() / kPacketKinds.size());
      }
    }
    if (filters > 0) {
      bars.add(fmt::format("{}\\n({})", group, filters), means);
    }
  }
  return bars;
}

/// A word a line, so that labels find room beside each other.
std::string in_lines(const std::string& name) {
  std::string label;
  for (const char c : name) {
    label += c == ' ' ? "\\n" : c == ',' ? "" : std::string(1, c);
  }
  return label;
}

Bars list_bars(const Results& results) {
  Bars bars("lists");
  for (const ListRow& row : results.lists) {
    PerContender<std::optional<double>> values;
    for (const Contender contender : kContenders) {
      const ListScore& score = row.scores[contender];
      if (score.failure.empty() && results.rounds == 0) {
        values[contender] = score.executed_insns;
      } else if (score.failure.empty() && score.filter_ns) {
        values[contender] = score.filter_ns->median;
      }
    }
    bars.add(in_lines(row.name), values);
  }
  return bars;
}

std::string script(const Results& results, const std::string& path) {
  const bool with_time = results.rounds > 0;
  std::string text =
      picture_start(path, 1400, 900) +
      "set style data histograms\nset style histogram clustered gap 1\n"
      "set style fill solid border -1\nset boxwidth 0.9\nset key top left\n"
      "set grid ytics\nset tics scale 0.5\nset yrange [0:*]\nset offsets 0,0,graph 0.05,0\nset xtics nomirror\n"
      "set multiplot\n";
  text += group_bars(results, "executed",
                     [](const Score& score, PacketKind kind) {
                       return std::optional<double>(score.executed_insns[kind]);
                     })
              .script("Instructions executed: geometric mean by group (number of filters)",
                      "instructions",
                      with_time ? "set size 0.5,0.5\nset origin 0,0.5"
                                : "set size 1,0.5\nset origin 0,0.5");
  text += group_bars(results, "time",
                     [](const Score& score, PacketKind kind) {
                       const auto& ns = score.filter_ns[kind];
                       return ns ? std::optional(ns->median) : std::nullopt;
                     })
              .script("Time: geometric mean of the medians by group", "ns a filter",
                      "set size 0.5,0.5\nset origin 0.5,0.5");
  text += list_bars(results).script(
      with_time ? "Or-lists with keys that vary at random: median time"
                : "Or-lists with keys that vary at random: mean of instructions executed",
      with_time ? "ns a packet (logarithmic)" : "instructions (logarithmic)",
      "set size 1,0.5\nset origin 0,0\nset bmargin 5\nset logscale y 2\nset yrange [4:*]");
  return text + "unset multiplot\n";
}

}  // namespace

cbpfc::Result<void> draw_picture(const Results& results, const std::string& path) {
  return run_gnuplot(script(results, path), path);
}

}  // namespace bench
