// SPDX-License-Identifier: BSD-3-Clause
//
// The picture, drawn by gnuplot: three panels of bars, one colour a contender.

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <functional>

#include "figures.h"
#include "filter_list.h"
#include "report.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;

using FilterValue = std::function<std::optional<double>(const Score&, PacketKind)>;

std::string cell(const std::vector<double>& values) {
  return values.empty() ? " NaN" : fmt::format(" {:.4f}", geometric_mean(values));
}

/// A gnuplot data block: for each group of filters, the geometric mean of each contender.
std::string group_data(const Results& results, std::string_view block, const FilterValue& value) {
  std::string text = fmt::format("${} << END\n", block);
  for (const std::string_view group : kGroups) {
    std::string cells;
    std::size_t filters = 0;
    for (const Contender contender : kContenders) {
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
      filters = std::max(filters, values.size() / kPacketKinds.size());
      cells += cell(values);
    }
    if (filters > 0) {
      text += fmt::format("\"{}\\n({})\"{}\n", group, filters, cells);
    }
  }
  return text + "END\n";
}

std::string list_data(const Results& results, bool with_time) {
  std::string text = "$lists << END\n";
  for (const ListRow& row : results.lists) {
    text += fmt::format("\"{}\\n{}\"", row.terms, row.kind);
    for (const Contender contender : kContenders) {
      const ListScore& score = row.scores[contender];
      const bool is_there = score.failure.empty() && (!with_time || score.filter_ns);
      text += is_there ? fmt::format(" {:.4f}",
                                     with_time ? score.filter_ns->median : score.executed_insns)
                       : " NaN";
    }
    text += "\n";
  }
  return text + "END\n";
}

std::string bars(std::string_view block, std::string_view title, std::string_view unit,
                 bool has_key) {
  std::string text = fmt::format("set title \"{}\"\nset ylabel \"{}\"\nset key {}\nplot", title,
                                 unit, has_key ? "top left" : "off");
  constexpr std::array<std::string_view, 3> kColours = {"#b0b7bf", "#1f77b4", "#e08a2c"};
  for (const Contender contender : kContenders) {
    const auto index = static_cast<std::size_t>(contender);
    text += fmt::format("{} ${} using {}{} title \"{}\" linecolor rgb \"{}\"",
                        index == 0 ? "" : ",", block, index + 2, index == 0 ? ":xtic(1)" : "",
                        name(contender), kColours[index]);
  }
  return text + "\n";
}

std::string script(const Results& results, const std::string& path) {
  const bool with_time = results.rounds > 0;
  std::string text = fmt::format(
      "set terminal {} size 1400,900 font 'DejaVu Sans,10'\n"
      "set output '{}'\n"
      "set style data histograms\nset style histogram clustered gap 1\n"
      "set style fill solid border -1\nset boxwidth 0.9\n"
      "set grid ytics\nset tics scale 0.5\nset yrange [0:*]\nset xtics nomirror\n",
      path.ends_with(".svg") ? "svg" : "pngcairo", path);
  text += group_data(results, "executed", [](const Score& score, PacketKind kind) {
    return std::optional<double>(score.executed_insns[kind]);
  });
  text += group_data(results, "time", [](const Score& score, PacketKind kind) {
    const auto& ns = score.filter_ns[kind];
    return ns ? std::optional(ns->median) : std::nullopt;
  });
  text += list_data(results, with_time);
  text += fmt::format("set multiplot\nset origin 0,0.5\nset size {},0.5\n", with_time ? 0.5 : 1);
  text += bars("executed", "Instructions executed, geometric mean by group (number of filters)",
               "instructions", true);
  if (with_time) {
    text += "set origin 0.5,0.5\n";
    text += bars("time", "Time, geometric mean by group of median times", "ns a filter", false);
  }
  if (!results.lists.empty()) {
    text += "set origin 0,0\nset size 1,0.5\nset logscale y 2\nset yrange [1:*]\n";
    text += bars("lists",
                 with_time ? "Or-lists with keys that vary at random, median time"
                           : "Or-lists with keys that vary at random, mean instructions executed",
                 with_time ? "ns a packet (log)" : "instructions (log)", false);
  }
  return text + "unset multiplot\n";
}

}  // namespace

Result<void> draw_picture(const Results& results, const std::string& path) {
  FILE* pipe = ::popen("gnuplot 2>&1 >/dev/null", "w");
  if (pipe == nullptr) {
    return cbpfc::fail(Errc::Io,
                       fmt::format("draw {}: a process for gnuplot cannot be started", path));
  }
  const std::string text = script(results, path);
  const bool is_written = std::fwrite(text.data(), 1, text.size(), pipe) == text.size();
  const int status = ::pclose(pipe);
  constexpr int kNotFound = 127;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotFound) {
    return cbpfc::fail(Errc::NotFound,
                       fmt::format("draw {}: gnuplot is not there; install gnuplot-nox", path));
  }
  if (!is_written || status != 0) {
    return cbpfc::fail(Errc::Io, fmt::format("draw {}: gnuplot failed; its words are above", path));
  }
  return {};
}

}  // namespace bench
