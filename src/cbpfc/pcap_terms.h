// SPDX-License-Identifier: BSD-3-Clause
//
// The terms and lists that an expression is made of, as far as pcap_list.h has to know them to cut it.
//
//     tcp and not (port 1 or 2)     And: tcp
//                                        Not: Or: port 1
//                                                 2        a Value, whose qualifier is "port"
//
// Source: libpcap 1.10.3 grammar.y.  Tested by: pcap_list_test.cc.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace cbpfc {

/// The words of an expression, as offsets into it.
struct Word {
  std::size_t start;
  std::size_t end;
};

/// A list, or a term of one.
struct ListNode {
  enum class Kind : std::uint8_t { Term, MovesHeaders, And, Or, Not };
  enum class Start : std::uint8_t {
    Known,    ///< says what it looks for
    Value,    ///< has its qualifier from before
    Unknown,  ///< may have anything from before
  };
  Kind kind = Kind::Term;
  Start start = Start::Unknown;
  std::size_t first = 0;  ///< of its words
  std::size_t end = 0;
  std::size_t terms = 1;
  std::string_view qualifier = {};  ///< what a Value has it from
  bool sets_qualifier = true;       ///< of values behind it; brackets do not
  std::vector<ListNode> children = {};
};

/// Whether `word` cannot change the meaning of another term unnoticed: it is not a name, or a keyword of libpcap that
/// affects its own term only or is known here to move headers.
bool is_harmless(std::string_view word);

/// Reads an expression; nullopt for what cannot be one, is not understood, or may not be cut.
std::optional<ListNode> read_terms(std::string_view expression, std::span<const Word> words);

}  // namespace cbpfc
