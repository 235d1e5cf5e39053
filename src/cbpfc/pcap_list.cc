// SPDX-License-Identifier: BSD-3-Clause

#include "pcap_list.h"

#include <algorithm>
#include <array>

namespace cbpfc {
namespace {

constexpr std::array<std::string_view, 21> kStartsTerm = {
    "host", "net", "port", "portrange", "src",  "dst",  "ether", "ip",      "ip6",   "arp", "rarp",
    "tcp",  "udp", "icmp", "icmp6",     "sctp", "igmp", "less",  "greater", "proto", "len"};
constexpr std::array<std::string_view, 10> kChangesMeaning = {
    "vlan", "mpls", "pppoed", "pppoes", "geneve", "gateway", "llc", "wlan", "type", "subtype"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& all, std::string_view word) {
  return std::ranges::find(all, word) != all.end();
}

class ListReader {
 public:
  ListReader(std::string_view expression, std::span<const Word> words)
      : expression_(expression), words_(words) {}

  /// The words at which a part may begin, the first among them; empty if the expression cannot be cut.
  std::vector<std::size_t> beginnings() const {
    std::vector<std::size_t> found = {0};
    int depth = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const std::string_view word = text(i);
      if (is_one_of(kChangesMeaning, word)) {
        return {};
      }
      depth += word == "(" || word == "[" ? 1 : word == ")" || word == "]" ? -1 : 0;
      if (depth != 0) {
        continue;
      }
      if (word == "and" || word == "&&") {
        return {};
      }
      if ((word == "or" || word == "||") && names_what_it_looks_for(i + 1)) {
        found.push_back(i + 1);
      }
    }
    return found;
  }

 private:
  std::string_view text(std::size_t i) const {
    return expression_.substr(words_[i].start, words_[i].end - words_[i].start);
  }

  bool names_what_it_looks_for(std::size_t i) const {
    while (i < words_.size() && (text(i) == "(" || text(i) == "not" || text(i) == "!")) {
      ++i;
    }
    return i < words_.size() && is_one_of(kStartsTerm, text(i));
  }

  std::string_view expression_;
  std::span<const Word> words_;
};

}  // namespace

std::vector<std::string> list_parts(std::string_view expression, std::span<const Word> words,
                                    std::size_t most_terms) {
  const std::vector<std::size_t> beginnings = ListReader(expression, words).beginnings();
  if (beginnings.size() <= most_terms) {
    return {};
  }
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < beginnings.size(); i += most_terms) {
    const std::size_t start = words[beginnings[i]].start;
    const std::size_t next = i + most_terms;
    // A part ends in front of the "or" that the next one stands behind.
    const std::size_t end =
        next < beginnings.size() ? words[beginnings[next] - 1].start : expression.size();
    parts.emplace_back(expression.substr(start, end - start));
  }
  return parts;
}

}  // namespace cbpfc
