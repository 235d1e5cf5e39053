// SPDX-License-Identifier: BSD-3-Clause
//
// The terms and lists that an expression is made of, as far as pcap_list.h has to know them to cut it.
//
//     tcp and not (port 1 or 2)     And: tcp
//                                        Not: Or: port 1
//                                                 2        a Value, whose qualifier is "port"
//
// Source: libpcap 1.10.3 grammar.y.  Tested by: pcap_list_test.cc.

#include <algorithm>
#include <array>
#include <utility>

#include "cbpfc/classic/text_cursor.h"
#include "cbpfc/expression/pcap_list.h"

namespace cbpfc {
namespace {

using Node = ListNode;

/// Brackets within each other; what is nested deeper is not cut.
constexpr int kMostDepth = 100;

/// With which a term begins that says what it looks for, and which may stand in front of a value.
constexpr std::array<std::string_view, 20> kQualifiers = {
    "host", "net", "port", "portrange", "src",   "dst",  "ether", "ip",    "ip6",        "arp",
    "rarp", "tcp", "udp",  "icmp",      "icmp6", "sctp", "igmp",  "proto", "protochain", "link"};
constexpr std::array<std::string_view, 7> kStartsTermAlone = {
    "less", "greater", "len", "broadcast", "multicast", "inbound", "outbound"};
constexpr std::array<std::string_view, 4> kMovesHeaders = {"vlan", "mpls", "pppoed", "pppoes"};
/// Others of libpcap's that leave the meaning of what follows their term as it is.  When libpcap gets a new one, look
/// in gencode.c at what its gen_...() does to cstate->off_linkhdr, off_linkpl, off_linktype, off_nl, off_prevlinkhdr and
/// is_encap: only one that leaves these alone may be added here ("vlan", "geneve" and "vxlan" change them).
/// Source: libpcap 1.10.3 scanner.l.
constexpr std::array<std::string_view, 22> kKnown = {
    "and", "or",   "not",  "tcpflags", "icmptype", "icmpcode", "icmp6type", "icmp6code",
    "ah",  "esp",  "pim",  "vrrp",     "carp",     "igrp",     "atalk",     "aarp",
    "iso", "isis", "esis", "clnp",     "stp",      "ipx"};
/// In front of libpcap's names for numbers: tcp-syn, icmp-echo, icmp6-echo.
constexpr std::array<std::string_view, 3> kBeforeNumber = {"tcp-", "icmp-", "icmp6-"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& all, std::string_view word) {
  return std::ranges::find(all, word) != all.end();
}

bool is_and(std::string_view word) {
  return word == "and" || word == "&&";
}
bool is_or(std::string_view word) {
  return word == "or" || word == "||";
}
bool is_negation(std::string_view word) {
  return word == "not" || word == "!";
}

class Reader {
 public:
  Reader(std::string_view expression, std::span<const Word> words)
      : expression_(expression), words_(words) {
    closing_.assign(words.size(), words.size());
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (text(i) == "(" || text(i) == "[") {
        open.push_back(i);
      } else if (text(i) == ")" || text(i) == "]") {
        if (open.empty()) {
          return;
        }
        closing_[open.back()] = i;
        open.pop_back();
      }
    }
    is_balanced_ = open.empty();
  }

  /// The whole expression; nullopt for what cannot be one, or is not understood.
  std::optional<Node> read() {
    auto whole = is_balanced_ ? read_list(0, words_.size(), {}) : std::nullopt;
    if (whole && moves_headers_ && !moves_headers_in_front_only(*whole)) {
      return std::nullopt;
    }
    return whole;
  }

 private:
  std::string_view text(std::size_t i) const {
    return i < words_.size() ? expression_.substr(words_[i].start, words_[i].end - words_[i].start)
                             : std::string_view();
  }
  std::string_view text(std::size_t first, std::size_t end) const {
    return expression_.substr(words_[first].start, words_[end - 1].end - words_[first].start);
  }

  /// The list of the words [first, end); `ids` is the qualifier in front of its brackets, if one is: only values then.
  std::optional<Node> read_list(std::size_t first, std::size_t end, std::string_view ids) {
    if (depth_ == kMostDepth || first >= end) {
      return std::nullopt;
    }
    ++depth_;
    const int depth_here = depth_;
    std::vector<Node> terms;
    std::optional<Node::Kind> joined_by;
    for (std::size_t at = first;; ++at) {
      auto term = read_term(at, end, ids);
      if (!term) {
        return std::nullopt;
      }
      terms.push_back(*std::move(term));
      // What begins with a value has nothing but values, and of brackets among these libpcap takes but few:
      // "port 1 or (2 or 3)", but not "port 1 or ((2 or 3) or 4)".
      ids = terms.front().start == Node::Start::Value ? terms.front().qualifier : ids;
      if (!ids.empty() && has_bracket(terms.back())) {
        return std::nullopt;
      }
      at = terms.back().end;
      if (at == end) {
        break;
      }
      const Node::Kind joins = is_and(text(at)) ? Node::Kind::And : Node::Kind::Or;
      if (joined_by.value_or(joins) != joins) {
        if (++depth_ > kMostDepth) {
          return std::nullopt;
        }
        terms = {make_list(*joined_by, std::move(terms))};
      }
      joined_by = joins;
    }
    depth_ = depth_here - 1;
    return joined_by ? make_list(*joined_by, std::move(terms)) : std::move(terms.front());
  }

  bool has_bracket(const Node& term) const {
    std::size_t at = term.first;
    while (at < term.end && text(at) != "(") {
      ++at;
    }
    return at < term.end;
  }

  static Node make_list(Node::Kind kind, std::vector<Node> terms) {
    Node list{.kind = kind,
              .start = terms.front().start,
              .first = terms.front().first,
              .end = terms.back().end,
              .terms = 0,
              .qualifier = terms.front().qualifier,
              .sets_qualifier = false};
    bool has_qualifier = terms.front().start == Node::Start::Value;
    for (const Node& term : terms) {
      list.terms += term.terms;
      if (!has_qualifier && term.start != Node::Start::Known) {
        list.start = Node::Start::Unknown;  // "(arp) or 1.2.3.4"
      }
      has_qualifier = has_qualifier || term.sets_qualifier;
      list.sets_qualifier = list.sets_qualifier || term.sets_qualifier;
    }
    list.children = std::move(terms);
    return list;
  }

  /// The term at `first`, up to a connective or `end`.
  std::optional<Node> read_term(std::size_t first, std::size_t end, std::string_view ids) {
    std::size_t at = first;
    while (at < end && is_negation(text(at))) {
      ++at;
    }
    const bool is_negated = (at - first) % 2 != 0;
    const std::size_t qualifiers = ids.empty() ? count_qualifiers(at, end) : 0;
    std::optional<Node> term;
    if (qualifiers == 0 && is_group(at, end)) {
      const std::string_view outside = qualifier_;
      term = read_list(at + 1, closing_[at], ids);
      qualifier_ = outside;
      at = closing_[at] + 1;
      if (term) {
        term->sets_qualifier = false;
      }
    } else if (qualifiers != 0 && is_group(at + qualifiers, end)) {
      qualifier_ = text(at, at + qualifiers);
      at += qualifiers;
      term = read_list(at + 1, closing_[at], qualifier_);
      at = closing_[at] + 1;
      if (term) {
        term->start = Node::Start::Known;
        term->sets_qualifier = true;
      }
    } else {
      const std::size_t start = at;
      at = end_of_plain_term(at, end, qualifiers);
      term = plain_term(start, at, qualifiers, ids);
    }
    if (!term || at == first || (at < end && !is_and(text(at)) && !is_or(text(at)))) {
      return std::nullopt;
    }
    term->first = first;
    term->end = at;
    return is_negated ? make_not(*std::move(term)) : std::move(term);
  }

  static Node make_not(Node term) {
    Node negated{.kind = Node::Kind::Not,
                 .start = term.start,
                 .first = term.first,
                 .end = term.end,
                 .terms = term.terms,
                 .qualifier = term.qualifier,
                 .sets_qualifier = term.sets_qualifier};
    negated.children.push_back(std::move(term));
    return negated;
  }

  /// Whether a bracket at `at` has terms in it, not a part of a sum.
  bool is_group(std::size_t at, std::size_t end) const {
    if (text(at) != "(" || at >= end) {
      return false;
    }
    const std::size_t behind = closing_[at] + 1;
    return behind == end || is_and(text(behind)) || is_or(text(behind));
  }

  /// How many words from `at` on are qualifiers, "src or dst" among them.
  std::size_t count_qualifiers(std::size_t at, std::size_t end) const {
    const auto is_direction = [&](std::size_t i) { return text(i) == "src" || text(i) == "dst"; };
    std::size_t next = at;
    while (next < end && is_one_of(kQualifiers, text(next))) {
      const bool are_both = is_direction(next) && next + 2 < end && is_direction(next + 2) &&
                            (is_or(text(next + 1)) || is_and(text(next + 1)));
      next += are_both ? 3 : 1;
    }
    return next - at;
  }

  std::size_t end_of_plain_term(std::size_t at, std::size_t end, std::size_t qualifiers) const {
    for (at += qualifiers; at < end && !is_and(text(at)) && !is_or(text(at)); ++at) {
      if (text(at) == "(" || text(at) == "[") {
        at = closing_[at];
      }
    }
    return at;
  }

  std::optional<Node> plain_term(std::size_t first, std::size_t end, std::size_t qualifiers,
                                 std::string_view ids) {
    if (first == end) {
      return std::nullopt;
    }
    Node term;
    for (std::size_t i = first; i < end; ++i) {
      if (is_one_of(kMovesHeaders, text(i))) {
        moves_headers_ = true;
        term.kind = Node::Kind::MovesHeaders;
      }
    }
    const std::string_view word = text(first);
    if (!ids.empty() && (is_one_of(kQualifiers, word) || is_one_of(kStartsTermAlone, word))) {
      return std::nullopt;
    }
    if (qualifiers != 0 || is_one_of(kStartsTermAlone, word) ||
        term.kind == Node::Kind::MovesHeaders) {
      term.start = Node::Start::Known;
      const bool has_value =
          qualifiers != 0 && first + qualifiers < end && text(first + qualifiers) != "[";
      qualifier_ = has_value ? text(first, first + qualifiers) : std::string_view();
      return term;
    }
    const std::string_view qualifier = ids.empty() ? qualifier_ : ids;
    const bool is_value = end == first + 1 && !qualifier.empty() &&
                          (!ids.empty() || is_digit(word.front()) || word.contains(':'));
    if (is_value) {
      term.start = Node::Start::Value;
      term.qualifier = qualifier;
    } else {
      qualifier_ = {};
    }
    return term;
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  static bool has_moves_headers(const Node& node) {
    return node.kind == Node::Kind::MovesHeaders ||
           std::ranges::any_of(node.children, has_moves_headers);
  }

  static bool moves_headers_in_front_only(const Node& whole) {
    if (whole.kind != Node::Kind::And) {
      return false;
    }
    const auto behind = std::ranges::find_if(
        whole.children, [](const Node& node) { return node.kind != Node::Kind::MovesHeaders; });
    return behind != whole.children.begin() && behind != whole.children.end() &&
           std::none_of(behind, whole.children.end(), has_moves_headers);
  }

  std::string_view expression_;
  std::span<const Word> words_;
  std::vector<std::size_t> closing_;  ///< by the word that is a bracket
  bool is_balanced_ = false;
  std::string_view qualifier_;  ///< of a value that comes next
  bool moves_headers_ = false;
  int depth_ = 0;
};

}  // namespace

bool is_harmless(std::string_view word) {
  return !text::Cursor::is_letter(word.front()) ||
         word.find_first_of(".:") != std::string_view::npos || is_one_of(kQualifiers, word) ||
         is_one_of(kStartsTermAlone, word) || is_one_of(kMovesHeaders, word) ||
         is_one_of(kKnown, word) ||
         std::ranges::any_of(kBeforeNumber, [&](auto front) { return word.starts_with(front); });
}

std::optional<ListNode> read_terms(std::string_view expression, std::span<const Word> words) {
  return Reader(expression, words).read();
}

}  // namespace cbpfc
