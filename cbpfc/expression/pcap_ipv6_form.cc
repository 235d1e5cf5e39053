// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/expression/pcap_ipv6_form.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace cbpfc {
namespace {

constexpr std::uint32_t kHeaderBytes = 40;

struct Protocol {
  std::string_view name;
  int number;  ///< in IPv6
};
constexpr std::array<Protocol, 3> kProtocols = {{{"tcp", 6}, {"udp", 17}, {"icmp", 58}}};

struct NamedOffset {
  std::string_view name;
  std::uint32_t offset;
};
constexpr std::array<NamedOffset, 3> kOffsets = {
    {{"tcpflags", 13}, {"icmptype", 0}, {"icmpcode", 1}}};

bool is_connective(std::string_view word) {
  constexpr std::array<std::string_view, 6> kConnectives = {"and", "or", "not", "&&", "||", "!"};
  return std::ranges::find(kConnectives, word) != kConnectives.end();
}

class Rewriter {
 public:
  Rewriter(std::string_view expression, std::span<const Word> words)
      : expression_(expression), words_(words) {}

  /// The protocol whose field begins at word `i`.
  const Protocol* protocol_at(std::size_t i) const {
    const auto* const found = std::ranges::find(kProtocols, word(i), &Protocol::name);
    return word(i + 1) == "[" && found != kProtocols.end() ? found : nullptr;
  }

  /// The words [first, end), of which fields are IPv6's.
  std::string rewrite(std::size_t first, std::size_t end) const {
    std::string text;
    for (std::size_t i = first; i < end; ++i) {
      const std::size_t behind = i + 1 < end ? words_[i + 1].start : words_[i].end;
      if (protocol_at(i) == nullptr) {
        text += expression_.substr(words_[i].start, behind - words_[i].start);
        continue;
      }
      text += "ip6[";
      ++i;
      const auto offset = word(i + 2) == "]" ? moved_offset(word(i + 1)) : std::nullopt;
      text += offset.value_or(fmt::format("{} + ", kHeaderBytes));
      i += offset ? 1U : 0U;
    }
    return text;
  }

  /// The first and the end of the words of the term that word `i` is in.
  std::pair<std::size_t, std::size_t> term_around(std::size_t i) const {
    std::size_t first = i;
    std::size_t end = i + 1;
    for (;;) {
      for (int depth = 0; first > 0 && !ends(word(first - 1), "([", ")]", depth);) {
        --first;
      }
      for (int depth = 0; end < words_.size() && !ends(word(end), ")]", "([", depth);) {
        ++end;
      }
      const bool in_brackets = first > 0 && word(first - 1) == "(" && word(end) == ")";
      const bool is_part_of_sum = in_brackets && (is_operator(word(end + 1)) ||
                                                  (first > 1 && is_operator(word(first - 2))));
      if (!is_part_of_sum) {
        return {first, end};
      }
      --first;
      ++end;
    }
  }

 private:
  std::string_view word(std::size_t i) const {
    return i < words_.size() ? expression_.substr(words_[i].start, words_[i].end - words_[i].start)
                             : std::string_view();
  }

  /// Whether a term ends in front of `next`, when brackets that close on the way (`inner` opens them) are none of its ends.
  static bool ends(std::string_view next, std::string_view outer, std::string_view inner,
                   int& depth) {
    if (depth == 0 && (outer.contains(next) || is_connective(next))) {
      return true;
    }
    depth += inner.contains(next) ? 1 : outer.contains(next) ? -1 : 0;
    return false;
  }

  static bool is_operator(std::string_view next) {
    return !next.empty() && !is_connective(next) &&
           std::string_view("<>=!&|+-*/%^").contains(next[0]);
  }

  /// "13" and "13:2", which is one word, behind IPv6's header; nullopt for what is more than a number.
  static std::optional<std::string> moved_offset(std::string_view text) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string_view offset = text.substr(0, colon);
    const auto* const named = std::ranges::find(kOffsets, offset, &NamedOffset::name);
    std::uint32_t number = named != kOffsets.end() ? named->offset : 0;
    if (named == kOffsets.end()) {
      const bool is_hex = offset.starts_with("0x");
      const int base = is_hex ? 16 : offset.starts_with("0") ? 8 : 10;
      const char* const start = offset.data() + (is_hex ? 2 : 0);
      const char* const stop = offset.data() + offset.size();
      const auto read = std::from_chars(start, stop, number, base);
      if (read.ec != std::errc() || read.ptr != stop) {
        return std::nullopt;
      }
    }
    return fmt::format("{}{}", kHeaderBytes + number, text.substr(colon));
  }

  std::string_view expression_;
  std::span<const Word> words_;
};

}  // namespace

std::optional<Ipv6Form> ipv6_form(std::string_view expression, std::span<const Word> words) {
  const Rewriter rewriter(expression, words);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (const Protocol* protocol = rewriter.protocol_at(i)) {
      const auto [first, end] = rewriter.term_around(i);
      const std::string is_protocol = fmt::format("ip6[6] = {} and ", protocol->number);
      return Ipv6Form{
          .protocol = protocol->name,
          .term = is_protocol + rewriter.rewrite(first, end),
          .whole = fmt::format("{}({})", is_protocol, rewriter.rewrite(0, words.size()))};
    }
  }
  return std::nullopt;
}

}  // namespace cbpfc
