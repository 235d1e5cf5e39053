// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;

constexpr std::uint64_t kKib = 1024;

/// Takes what is before `separator` off the front of `text`; all of it if there is none.
std::string_view take(std::string_view& text, std::string_view separator) {
  const std::size_t end = text.find(separator);
  const std::string_view first = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + separator.size());
  return first;
}

/// The number at the front of `text`, which it is taken off.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::string_view last_line(std::string_view text) {
  while (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  return text.substr(text.rfind('\n') + 1);  // npos + 1 is 0
}

std::uint64_t kib_in(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return take_number(text).value_or(0) * kKib;
}

/// Puts "8 matched" where it belongs.
bool put(Totals& totals, std::uint64_t number, std::string_view words) {
  if (words == " packets received") {
    totals.received = number;
  } else if (words == " matched") {
    totals.matched = number;
  } else if (words == " held back") {
    totals.held_back = number;
  } else if (words == " written") {
    totals.written = number;
  } else if (words == " lost") {
    totals.lost = number;
  } else if (words == " not written") {
    totals.unwritten = number;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Result<Totals> parse_totals(std::string_view text) {
  Totals totals;
  const std::string_view line = last_line(text);
  std::string_view rest = line;
  bool is_understood = !line.ends_with(", ");
  do {
    std::string_view part = take(rest, ", ");
    const auto number = take_number(part);
    is_understood = is_understood && number && put(totals, *number, part);
    if (!is_understood) {
      return cbpfc::fail(Errc::Syntax, fmt::format("read a capture's totals: \"{}\"", line));
    }
  } while (!rest.empty());
  return totals;
}

Result<Totals> parse_tcpdump_totals(std::string_view text) {
  Totals totals;
  const std::string whole(text);
  int found = 0;
  while (!text.empty()) {
    std::string_view line = take(text, "\n");
    const auto number = take_number(line);
    const auto is = [&line](std::string_view one, std::string_view many) {
      return line == one || line == many;
    };
    if (!number) {
      continue;
    }
    if (is(" packet captured", " packets captured")) {
      totals.written = *number;
      ++found;
    } else if (is(" packet received by filter", " packets received by filter")) {
      totals.received = *number;
      ++found;
    } else if (is(" packet dropped by kernel", " packets dropped by kernel")) {
      totals.lost = *number;
      ++found;
    }
  }
  constexpr int kLines = 3;
  if (found != kLines) {
    return cbpfc::fail(Errc::Syntax, fmt::format("read tcpdump's totals: \"{}\"", whole));
  }
  return totals;
}

std::uint64_t resident_ring_bytes(std::string_view smaps) {
  constexpr std::array<std::string_view, 3> kRings = {"anon_inode:bpf-map",
                                                      "anon_inode:[perf_event]", "socket:["};
  std::uint64_t bytes = 0;
  bool is_ring = false;
  while (!smaps.empty()) {
    std::string_view line = take(smaps, "\n");
    // A mapping starts with its addresses, "7f00-7f10 rw-s ...", and its properties follow, "Rss: 4 kB".
    const std::string_view word = line.substr(0, line.find(' '));
    if (!word.ends_with(':')) {
      is_ring = false;
      for (const std::string_view ring : kRings) {
        is_ring = is_ring || line.find(ring) != std::string_view::npos;
      }
    } else if (is_ring && word == "Rss:") {
      bytes += kib_in(line.substr(word.size()));
    }
  }
  return bytes;
}

std::uint64_t status_bytes(std::string_view status, std::string_view name) {
  while (!status.empty()) {
    std::string_view line = take(status, "\n");
    if (take(line, ":") == name) {
      return kib_in(line);
    }
  }
  return 0;
}

Result<std::uint64_t> received_packets(std::string_view net_dev, std::string_view interface) {
  while (!net_dev.empty()) {
    std::string_view line = take(net_dev, "\n");
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (take(line, ":") != interface) {
      continue;
    }
    std::optional<std::uint64_t> number;
    for (int column = 0; column < 2; ++column) {  // bytes, packets
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      number = take_number(line);
    }
    if (number) {
      return *number;
    }
  }
  return cbpfc::fail(Errc::NotFound,
                     fmt::format("read the counters of interface {}: it is not listed", interface));
}

}  // namespace bench
