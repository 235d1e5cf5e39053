// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/tests/graph/graph_reader.h"

#include <array>
#include <map>
#include <utility>

#include "base/overloaded.h"
#include "cbpfc/classic/text_cursor.h"

namespace cbpfc::optimizer {
namespace {

using text::Notation;

class Reader {
 public:
  explicit Reader(std::string_view text) : at_(text) {}

  Result<Graph> read() {
    for (at_.skip_space(); !at_.at_end(); at_.skip_space()) {
      if (at_.take('v')) {
        const std::uint32_t name = TRY(number());
        TRY(expect(" = "));
        names_[name] = TRY(value());
      } else {
        TRY(read_node());
      }
      at_.skip_blanks();
      if (!at_.at_end() && at_.peek() != '\n') {
        return at_.fail_expected("the end of the line");
      }
    }
    if (const std::string wrong = check_graph(graph_); !wrong.empty()) {
      return fail(Errc::InvalidArgument, wrong);
    }
    return std::move(graph_);
  }

 private:
  Result<void> expect(std::string_view wanted) {
    return at_.take(wanted) ? Result<void>() : at_.fail_expected(wanted);
  }

  Result<std::uint32_t> number() {
    return static_cast<std::uint32_t>(TRY(text::take_number(at_, Notation::C, kMostU32, "number")));
  }
  Result<std::int64_t> signed_number() {
    const bool is_negative = at_.take('-');
    const std::uint32_t size = TRY(number());
    return is_negative ? -std::int64_t{size} : std::int64_t{size};
  }

  /// The node of a number in the text; a Forward until its line is read.
  NodeId node(std::uint32_t number) {
    const auto [place, is_new] = nodes_.try_emplace(number, 0);
    if (is_new) {
      place->second = graph_.add(Forward{.next = 0});
    }
    return place->second;
  }

  Result<void> read_node() {
    const NodeId id = node(TRY(number()));
    TRY(expect(": "));
    const Node read = at_.take("return ") ? Node(Return{.value = TRY(value())})
                      : at_.take("has ")  ? Node(TRY(fits()))
                                          : TRY(with_value());
    graph_.nodes[id] = read;
    return {};
  }

  Result<NodeId> edge(std::string_view when) {
    at_.skip_blanks();
    TRY(expect(when));
    TRY(expect("-> "));
    return node(TRY(number()));
  }

  /// The two edges of a yes-or-no question.
  template <typename Question>
  Result<Question> ask(Question question, NodeId Question::* yes, NodeId Question::* no) {
    question.*yes = TRY(edge("yes "));
    question.*no = TRY(edge("no "));
    return question;
  }

  Result<Fits> fits() {
    Fits fits{};
    TRY(expect("p["));
    if (!at_.take("..")) {
      fits.index = TRY(value());
      TRY(expect(" + "));
      fits.begin = TRY(signed_number());
      TRY(expect(".."));
    }
    fits.end = TRY(signed_number());
    TRY(expect("]"));
    return ask(fits, &Fits::if_inside, &Fits::if_outside);
  }

  /// The nodes that begin with a value.
  Result<Node> with_value() {
    const ValueId first = TRY(value());
    static constexpr std::array kConditions = {
        std::pair(" == ", Condition::Equal), std::pair(" > ", Condition::Greater),
        std::pair(" >= ", Condition::GreaterEqual), std::pair(" & ", Condition::AnyBitSet)};
    if (at_.take(" = call ")) {
      const auto helper = static_cast<std::int32_t>(TRY(number()));
      return Call{.phi = first, .helper = helper, .next = TRY(edge(""))};
    }
    if (at_.take(" = ")) {
      const ValueId second = TRY(value());
      return SetPhi{.phi = first, .value = second, .next = TRY(edge(""))};
    }
    for (const auto& [sign, condition] : kConditions) {
      if (!at_.take(sign)) {
        continue;
      }
      const ValueId second = TRY(value());
      if (const auto mask = graph_.values.known(second);
          mask && condition == Condition::AnyBitSet) {
        return Node(TRY(ask(AnyBit{.value = first, .mask = *mask, .if_set = 0, .if_clear = 0},
                            &AnyBit::if_set, &AnyBit::if_clear)));
      }
      return Node(TRY(ask(
          Compare{
              .condition = condition, .left = first, .right = second, .if_true = 0, .if_false = 0},
          &Compare::if_true, &Compare::if_false)));
    }
    return Node(TRY(cases(first)));
  }

  Result<Switch> cases(ValueId value) {
    Switch many{.value = value, .cases = {}, .otherwise = 0};
    for (at_.skip_blanks(); text::Cursor::is_digit(at_.peek()); at_.skip_blanks()) {
      const std::uint32_t low = TRY(number());
      const std::uint32_t high = at_.take("..") ? TRY(number()) : low;
      many.cases.push_back({.low = low, .high = high, .target = TRY(edge(""))});
    }
    many.otherwise = TRY(edge("else "));
    return many;
  }

  struct Place {
    std::optional<ValueId> index;
    std::uint32_t offset;
  };
  /// "12]" or "VALUE + 12]".
  Result<Place> place_in_packet() {
    Place place{};
    if (text::Cursor::is_digit(at_.peek())) {
      place.offset = TRY(number());
    } else {
      place.index = TRY(value());
    }
    if (at_.take(" + ")) {
      if (!place.index) {
        place.index = graph_.values.constant(place.offset);
      }
      place.offset = static_cast<std::uint32_t>(TRY(signed_number()));
    }
    TRY(expect("]"));
    return place;
  }

  Result<ValueId> load(Size size) {
    const Place place = TRY(place_in_packet());
    return graph_.values.add(
        PacketLoad{.size = size, .index = place.index, .offset = place.offset});
  }

  Result<ValueId> arithmetic() {
    static constexpr std::array kOps = {
        std::pair(" + ", AluOp::Add),  std::pair(" - ", AluOp::Sub),  std::pair(" * ", AluOp::Mul),
        std::pair(" / ", AluOp::Div),  std::pair(" | ", AluOp::Or),   std::pair(" & ", AluOp::And),
        std::pair(" << ", AluOp::Lsh), std::pair(" >> ", AluOp::Rsh), std::pair(" % ", AluOp::Mod),
        std::pair(" ^ ", AluOp::Xor)};
    const ValueId left = TRY(value());
    for (const auto& [sign, op] : kOps) {
      if (at_.take(sign)) {
        const ValueId right = TRY(value());
        TRY(expect(")"));
        return graph_.values.add(Arithmetic{.op = op, .left = left, .right = right});
      }
    }
    return at_.fail_expected("an operator");
  }

  Result<ValueId> phi() {
    const std::uint32_t wanted = TRY(number());
    while (graph_.values.phis() <= wanted) {
      graph_.values.new_phi();
    }
    return graph_.values.add(Phi{.number = wanted});
  }

  Result<ValueId> value() {
    if (at_.take('(')) {
      return arithmetic();
    }
    if (at_.take("phi")) {
      return phi();
    }
    if (at_.take("context[")) {
      const std::uint32_t offset = TRY(number());
      TRY(expect("]"));
      return graph_.values.context(offset);
    }
    if (at_.take("length")) {
      return graph_.values.length();
    }
    for (const auto& [word, size] : {std::pair("p8[", Size::Byte), std::pair("p16[", Size::Half),
                                     std::pair("p32[", Size::Word)}) {
      if (at_.take(word)) {
        return load(size);
      }
    }
    if (at_.take('v')) {
      const std::size_t place = at_.place();
      const auto named = names_.find(TRY(number()));
      return named != names_.end() ? Result<ValueId>(named->second)
                                   : at_.fail_at(place, "no such value");
    }
    return text::Cursor::is_digit(at_.peek())
               ? Result<ValueId>(graph_.values.constant(TRY(number())))
               : at_.fail_expected("a value");
  }

  text::Cursor at_;
  Graph graph_;
  std::map<std::uint32_t, NodeId> nodes_;
  std::map<std::uint32_t, ValueId> names_;
};

/// A graph with nodes and values in the order they are met in.
class Renumbered {
 public:
  explicit Renumbered(const Graph& graph) : from_(graph.values) {
    const std::vector<NodeId> order = topological_order(graph);
    std::vector<NodeId> places(graph.nodes.size(), 0);
    for (std::size_t i = 0; i < order.size(); ++i) {
      places[order[i]] = static_cast<NodeId>(i);
    }
    for (const NodeId id : order) {
      Node node = graph.nodes[id];
      for_each_edge(node, [&](NodeId& target) { target = places[target]; });
      for_each_value(node, [&](ValueId& value) { value = moved(value); });
      std::visit(
          [&](auto& kind) {
            if constexpr (requires { kind.phi; }) {
              kind.phi = moved(kind.phi);
            }
          },
          node);
      nodes.push_back(std::move(node));
    }
  }

  std::vector<Node> nodes;
  std::vector<Value> values;

 private:
  ValueId moved(ValueId id) {
    const auto known = moved_.find(id);
    if (known != moved_.end()) {
      return known->second;
    }
    Value value = from_[id];
    for_each_operand(value, [&](ValueId& operand) { operand = moved(operand); });
    values.push_back(value);
    return moved_[id] = static_cast<ValueId>(values.size() - 1);
  }

  const Values& from_;
  std::map<ValueId, ValueId> moved_;
};

}  // namespace

Result<Graph> read_graph(std::string_view text) {
  return Reader(text).read();
}

bool are_equal(const Graph& left, const Graph& right) {
  const Renumbered one(left);
  const Renumbered other(right);
  return one.nodes == other.nodes && one.values == other.values;
}

}  // namespace cbpfc::optimizer
