// SPDX-License-Identifier: BSD-3-Clause
//
// What is known on the way to a question: the answers that led there.
//
//     p16[12] is 0x800, the packet has 34 bytes, p32[26] is neither c0000201 nor c0000202
//
// decide() answers a question from them, if they suffice.  Facts are a bounded number of small things, so
// that copying them along every edge stays cheap; what does not fit is forgotten, which costs a question and
// is never wrong.
//
// Tested by: facts_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "cbpfc/graph/graph.h"

namespace cbpfc::optimizer {

class Facts {
 public:
  explicit Facts(std::uint32_t max_packet_offset) : length_high_(max_packet_offset) {}

  /// value in [low, high].
  void learn_interval(ValueId value, std::uint32_t low, std::uint32_t high, std::uint32_t max);
  /// value not in [low, high].
  void learn_not(ValueId value, std::uint32_t low, std::uint32_t high, std::uint32_t max);
  void learn_any_bit(ValueId value, std::uint32_t mask, bool is_set, std::uint32_t max);
  void learn_fits(std::optional<ValueId> index, std::int64_t begin, std::int64_t end,
                  bool is_inside);

  /// Where `node` leads, if the facts leave one way.
  std::optional<NodeId> decide(const Values& values, const Node& node) const;

  /// Whether value can be in [low, high] at all.
  bool may_be_in(ValueId value, std::uint32_t low, std::uint32_t high) const;

  /// The bounds of a value, which are those of 32 bits where nothing is known.
  std::pair<std::uint32_t, std::uint32_t> bounds(ValueId value) const;

  /// The values of which `other` knows what this does not say as well; nullopt if there is more of that: of the
  /// packet's length, or of bytes relative to an index.
  std::optional<std::vector<ValueId>> values_known_less(const Facts& other) const;

  /// What holds on both ways.
  static Facts meet(Facts left, const Facts& right);

 private:
  struct ValueFact {
    ValueId value = 0;
    std::uint32_t low = 0;
    std::uint32_t high = 0xffffffff;
    std::uint32_t clear = 0;   ///< bits known to be 0
    std::uint32_t any_of = 0;  ///< one of these bits is 1; 0: not known
  };
  /// value != number.
  struct Exclusion {
    ValueId value;
    std::uint32_t number;
    bool operator==(const Exclusion&) const = default;
  };
  /// Bytes relative to an index: [begin, inside_end) are there, [begin, outside_end) are not.
  struct SpanFact {
    ValueId index = 0;
    std::int64_t begin = 0;
    std::int64_t inside_end = 0;   ///< begin: not known
    std::int64_t outside_end = 0;  ///< 0 with has_outside false
    bool has_outside = false;
    bool operator==(const SpanFact&) const = default;
  };

  const ValueFact* find(ValueId value) const;
  bool is_excluded(ValueId value, std::uint32_t number) const;
  std::size_t count_excluded(ValueId value) const;
  /// Whether `fact` says all that `its`, of `other`, does.
  bool implies(const ValueFact& fact, const ValueFact& its, const Facts& other) const;
  ValueFact& find_or_add(ValueId value, std::uint32_t max);
  void tighten(ValueFact& fact) const;
  std::optional<NodeId> decide_switch(const Switch& node) const;
  std::optional<NodeId> decide_bits(const AnyBit& node) const;
  std::optional<NodeId> decide_fits(const Values& values, const Fits& node) const;

  std::uint32_t length_low_ = 0;
  std::uint32_t length_high_;
  std::vector<ValueFact> values_;      ///< the latest learned last
  std::vector<Exclusion> exclusions_;  ///< of these values, at most kMostExclusions of one
  std::vector<SpanFact> spans_;
};

/// What `facts` become on each way out of a node; `slot` counts edges as for_each_edge does.
Facts facts_on_edge(const Values& values, const Node& node, std::size_t slot, Facts facts);

}  // namespace cbpfc::optimizer
