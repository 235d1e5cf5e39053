// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/expression/pcap_list.h"

#include <algorithm>
#include <utility>

namespace cbpfc {
namespace {

using Node = ListNode;

/// Lays parts out in the order of the text.  Where the next one begins is a label until all are there.
class Cutter {
 public:
  Cutter(std::string_view expression, std::span<const Word> words, std::size_t most_terms)
      : expression_(expression), words_(words), most_terms_(most_terms) {}

  /// Empty where some part would begin with what is not known to begin one.
  std::vector<ListPart> run(Node whole) {
    const auto behind = std::ranges::find_if(
        whole.children, [](const Node& node) { return node.kind != Node::Kind::MovesHeaders; });
    if (behind != whole.children.begin()) {
      // A part by itself first: what is below a "not" may rely on it.
      const std::size_t next = new_label();
      add_part(whole.children.front(), (behind - 1)->end, next, kNoMatch);
      prefix_ = parts_.front().text + " and (";
      whole.children.erase(whole.children.begin(), behind);
      place(next);
      lay_list(whole, kMatch, kNoMatch);
    } else {
      lay(whole, kMatch, kNoMatch);
    }
    for (ListPart& part : parts_) {
      part.on_match = labels_[part.on_match];
      part.on_miss = labels_[part.on_miss];
    }
    return can_be_cut_ && parts_.size() > 1 ? std::move(parts_) : std::vector<ListPart>();
  }

 private:
  static constexpr std::size_t kMatch = 0;
  static constexpr std::size_t kNoMatch = 1;

  std::size_t new_label() {
    labels_.push_back(0);
    return labels_.size() - 1;
  }
  void place(std::size_t label) { labels_[label] = parts_.size(); }

  void lay(const Node& node, std::size_t on_match, std::size_t on_miss) {
    if (node.terms <= most_terms_ || node.children.empty()) {
      add_part(node, node.end, on_match, on_miss);
    } else if (node.kind == Node::Kind::Not) {
      lay(node.children.front(), on_miss, on_match);
    } else {
      lay_list(node, on_match, on_miss);
    }
  }

  void lay_list(const Node& list, std::size_t on_match, std::size_t on_miss) {
    const bool is_and = list.kind == Node::Kind::And;
    const std::vector<Node>& all = list.children;
    for (std::size_t i = 0, next = 0; i < all.size(); i = next) {
      next = end_of_part(all, i);
      const bool is_last = next == all.size();
      const std::size_t behind = is_last ? kMatch : new_label();
      const std::size_t match = is_and && !is_last ? behind : on_match;
      const std::size_t miss = !is_and && !is_last ? behind : on_miss;
      if (next == i + 1) {
        lay(all[i], match, miss);
      } else {
        add_part(all[i], all[next - 1].end, match, miss);
      }
      if (!is_last) {
        place(behind);
      }
    }
  }

  /// The first of the terms behind number `i` that does not come into its part.
  std::size_t end_of_part(const std::vector<Node>& all, std::size_t i) {
    std::size_t terms = all[i].terms;
    bool has_qualifier = all[i].sets_qualifier || all[i].start == Node::Start::Value;
    std::size_t next = i + 1;
    for (; next < all.size(); ++next) {
      const bool is_unknown = all[next].start == Node::Start::Unknown;
      const bool is_value = all[next].start == Node::Start::Value;
      terms += all[next].terms;
      if (!is_unknown && (terms > most_terms_ || (is_value && !has_qualifier))) {
        break;
      }
      can_be_cut_ = can_be_cut_ && (!is_unknown || has_qualifier || all[i].first == 0);
      has_qualifier = has_qualifier || all[next].sets_qualifier;
    }
    return next;
  }

  /// A part from `first` on to the word `end`.
  void add_part(const Node& first, std::size_t end, std::size_t on_match, std::size_t on_miss) {
    can_be_cut_ = can_be_cut_ && (first.start != Node::Start::Unknown || first.first == 0);
    ListPart part{.text = prefix_, .on_match = on_match, .on_miss = on_miss};
    part.start = words_[first.first].start;
    if (first.start == Node::Start::Value) {
      part.text += std::string(first.qualifier) + " ";
    }
    part.before_bytes = part.text.size();
    part.text += expression_.substr(part.start, words_[end - 1].end - part.start);
    part.text += prefix_.empty() ? "" : ")";
    parts_.push_back(std::move(part));
  }

  std::string_view expression_;
  std::span<const Word> words_;
  std::size_t most_terms_;
  std::string prefix_;
  std::vector<ListPart> parts_;
  std::vector<std::size_t> labels_ = {ListPart::kMatch, ListPart::kNoMatch};  ///< where they are
  bool can_be_cut_ = true;
};

}  // namespace

std::size_t ListPart::place(std::size_t offset) const {
  return start + offset - std::min(offset, before_bytes);
}

std::vector<ListPart> list_parts(std::string_view expression, std::span<const Word> words,
                                 std::size_t most_terms,
                                 const std::function<bool(std::string_view)>& is_keyword) {
  std::vector<ListPart> parts;
  const auto may_move_what_follows = [&](const Word& word) {
    const std::string_view text = expression.substr(word.start, word.end - word.start);
    return !is_harmless(text) && is_keyword(text);
  };
  auto whole = read_terms(expression, words);
  if (whole && whole->terms > most_terms && std::ranges::none_of(words, may_move_what_follows)) {
    parts = Cutter(expression, words, most_terms).run(*std::move(whole));
  }
  if (parts.empty()) {
    parts.push_back({.text = std::string(expression),
                     .on_match = ListPart::kMatch,
                     .on_miss = ListPart::kNoMatch});
  }
  return parts;
}

}  // namespace cbpfc
