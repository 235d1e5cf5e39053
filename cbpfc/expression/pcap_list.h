// SPDX-License-Identifier: BSD-3-Clause
//
// Long expressions, cut into parts that libpcap compiles in no time.
//
// libpcap takes time that grows with the square of a list's length: a thousand hosts take three seconds, a thousand
// "not host" ten.  But an expression is a tree of lists, and a list can be compiled in parts
// that go on at each other:
//
//     tcp and not (port 1 or 2 or 3 or 4)   ->   0: tcp               match: 1      miss: no match
//                                                1: port 1 or 2       match: no match   miss: 2
//                                                2: port 3 or 4       match: no match   miss: match
//
// A load outside the packet ends each of them with no match, as it ends the whole, also below "not".
//
// "and" and "or" bind alike, to the left: "a or b and c" is the list (a or b), c.  A value without a qualifier has
// that of the one before it, which is put in front of it where a part begins; brackets end what began in them.
// "vlan" and its like change what every word behind them means: such an expression is cut only where they stand
// alone in front ("vlan 5 and mpls and (...)"), and each part then begins with them.  What begins with a word that is
// neither known to begin a term nor a value stays in one part with what is before it.
//
// Other words of libpcap's change the meaning of what follows, too ("geneve"; "vxlan" from 1.11 on), and new ones will.
// So an expression is cut only if each of its words that the linked libpcap knows is one that is known here to change
// nothing (kKnown in pcap_terms.cc); where there is another, it is compiled whole, which is only slow.
//
// Source: libpcap 1.10.3 grammar.y, gencode.c gen_vlan().
// Tested by: pcap_list_test.cc.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
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

/// A part of an expression, an expression by itself.
struct ListPart {
  /// Ends in place of the number of a part.
  static constexpr std::size_t kMatch = ~std::size_t{0};
  static constexpr std::size_t kNoMatch = kMatch - 1;

  std::string text;
  std::size_t on_match;  ///< the later part at which it goes on when it matches, or an end
  std::size_t on_miss;

  /// Where in the whole expression the character at `offset` of `text` stands, or the next one that is from there.
  std::size_t place(std::size_t offset) const;

  std::size_t start = 0;         ///< of what is from the expression, in it
  std::size_t before_bytes = 0;  ///< of `text`, in front of that
};

/// The parts of an expression with more than `most_terms` terms, each of no more than that if it can be cut, the
/// first of them the one to begin with; one for an expression that is short or cannot be cut at all.
/// `is_keyword` says of a word whether it is libpcap's.
std::vector<ListPart> list_parts(std::string_view expression, std::span<const Word> words,
                                 std::size_t most_terms,
                                 const std::function<bool(std::string_view)>& is_keyword);

}  // namespace cbpfc
