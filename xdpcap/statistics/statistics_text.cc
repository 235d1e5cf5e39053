// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/statistics/statistics_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/json.h"
#include "base/text.h"

namespace xdpcap::cli {
namespace {

using Text = std::back_insert_iterator<std::string>;

/// What capture programs count, for each action and CPU.
struct Counted {
  std::string_view name;
  std::uint64_t abi::Counters::* number;
  std::string_view help;
};
constexpr std::array<Counted, 4> kCounted = {{
    {"received", &abi::Counters::received, "Packets that reached the hook."},
    {"matched", &abi::Counters::matched, "Packets that the filter matched."},
    {"held_back", &abi::Counters::held_back, "Matching packets that a limit kept out of the ring."},
    {"lost", &abi::Counters::lost, "Matching packets for which the ring had no room."},
}};

/// What user space counts, for each action.
struct Taken {
  std::string_view name;
  std::uint64_t PacketTotals::* number;
  bool is_counter;  ///< only grows; what is not yet written becomes written
  std::string_view help;
};
constexpr std::array<Taken, 4> kTaken = {{
    {"overwritten", &PacketTotals::overwritten, true,
     "Packets that fell out of the flight recorder's memory."},
    {"in_memory", &PacketTotals::in_memory, false, "Packets in the flight recorder's memory."},
    {"written", &PacketTotals::written, true, "Packets whose whole block reached the output."},
    {"unwritten", &PacketTotals::unwritten, false,
     "Packets read from the ring or from memory and not yet written."},
}};

/// A string of Prometheus, which takes UTF-8 as it is; other bytes and control characters are replaced.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(bytes, 1));
    if (character == "\n") {
      result += "\\n";
    } else if (bytes == 0 || is_obeyed(code_point(character))) {
      result += kReplacementCharacter;
    } else {
      result += character == "\"" || character == "\\" ? "\\" : "";
      result += character;
    }
    text.remove_prefix(character.size());
  }
  return result + '"';
}

void put_totals(Text text, const PacketTotals& totals) {
  fmt::format_to(
      text,
      "\"received\":{},\"matched\":{},\"held_back\":{},\"overwritten\":{},\"in_memory\":{},"
      "\"written\":{},\"lost\":{},\"unwritten\":{}",
      totals.received, totals.matched, totals.held_back, totals.overwritten, totals.in_memory,
      totals.written, totals.lost, totals.unwritten);
}

}  // namespace

std::string statistics_json(const CaptureStatistics& statistics, std::span<const Action> actions,
                            std::string_view hook) {
  std::string line;
  const Text text(line);
  fmt::format_to(text, "{{\"time_ns\":{},\"hook\":{},", statistics.wall_ns, json_string(hook));
  put_totals(text, sum(statistics.totals));
  line += ",\"actions\":{";
  for (const Action action : actions) {
    fmt::format_to(text, "{}\"{}\":{{", line.back() == '{' ? "" : ",", name(action));
    put_totals(text, statistics.totals[index(action)]);
    line += ",\"cpus\":[";
    for (std::size_t cpu = 0; cpu < statistics.by_cpu.size(); ++cpu) {
      const abi::Counters& counters = statistics.by_cpu[cpu][index(action)];
      if (counters.received == 0) {
        continue;
      }
      fmt::format_to(text, "{}{{\"cpu\":{}", line.back() == '[' ? "" : ",", cpu);
      for (const Counted& one : kCounted) {
        fmt::format_to(text, ",\"{}\":{}", one.name, counters.*one.number);
      }
      line += '}';
    }
    line += "]}";
  }
  return line + "}}\n";
}

std::string statistics_prometheus(const CaptureStatistics& statistics,
                                  std::span<const Action> actions, std::string_view hook) {
  std::string exposition;
  const Text text(exposition);
  const std::string label = quoted(hook);
  const auto describe = [&](std::string_view counter, std::string_view help) {
    fmt::format_to(text,
                   "# HELP xdpcap_{0}_packets_total {1}\n# TYPE xdpcap_{0}_packets_total counter\n",
                   counter, help);
  };
  for (const Counted& one : kCounted) {
    describe(one.name, one.help);
    for (const Action action : actions) {
      for (std::size_t cpu = 0; cpu < statistics.by_cpu.size(); ++cpu) {
        fmt::format_to(text, "xdpcap_{}_packets_total{{hook={},action=\"{}\",cpu=\"{}\"}} {}\n",
                       one.name, label, name(action), cpu,
                       statistics.by_cpu[cpu][index(action)].*one.number);
      }
    }
  }
  for (const Taken& one : kTaken) {
    const std::string_view suffix = one.is_counter ? "_packets_total" : "_packets";
    fmt::format_to(text, "# HELP xdpcap_{0}{1} {2}\n# TYPE xdpcap_{0}{1} {3}\n", one.name, suffix,
                   one.help, one.is_counter ? "counter" : "gauge");
    for (const Action action : actions) {
      fmt::format_to(text, "xdpcap_{}{}{{hook={},action=\"{}\"}} {}\n", one.name, suffix, label,
                     name(action), statistics.totals[index(action)].*one.number);
    }
  }
  return exposition;
}

}  // namespace xdpcap::cli
