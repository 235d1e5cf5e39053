// SPDX-License-Identifier: BSD-3-Clause
//
// Values of a graph as expressions of C, and the pointer they are loaded from:
//
//     (p8[14] & 0xf) << 2              (data[14] & 0xfu) << 2
//     has p[that + 14..16]             CBPFC_SMALL_BASE((data[14] & 0xfu) << 2, 0x3fu, 16u, return 0u);
//     p16[that + 14]                   CBPFC_LOAD16(base + 14)
//
// Nothing is kept in variables: a C compiler finds by itself what is computed twice.  There is one pointer, `base`,
// which is made again where it was needed for something else.  An expression that loads relative to several
// values, which needs several pointers, takes each load into a variable first (t0, t1, ...).
//
// Offsets may be larger than the BPF verifier allows, since a host has no limit.
// What the limit makes of a guard is decided here, for the macros to apply under BPF alone.

#pragma once

#include <cbpfc/compile_c.h>
#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cbpfc/graph/graph.h"

namespace cbpfc {

/// What statements mention.
struct CNames {
  bool packet = false;         ///< data, data_end and bound
  bool packet_length = false;  ///< the parameter
  bool base = false;
  bool unknown_0 = false;
  std::size_t temporaries = 0;
  std::set<std::uint32_t> cells;  ///< numbers of their variables
};

/// What is written for a number.
std::string print_number(std::uint32_t value);

class CValues {
 public:
  /// base = data + index + begin, and the packet has all bytes up to index + end.
  struct Base {
    optimizer::ValueId index;
    std::int64_t begin;
    std::int64_t end;
  };
  /// What holds on both ways.
  static std::optional<Base> meet(const std::optional<Base>& left,
                                  const std::optional<Base>& right);

  CValues(const optimizer::Graph& graph, const COptions& options,
          const optimizer::CellSlots& variables)
      : graph_(graph), options_(options), variables_(variables) {}

  std::string text;          ///< statements so far
  CNames names;              ///< what they mention
  std::size_t insns = 0;     ///< about the most instructions of BPF they become
  std::optional<Base> base;  ///< where the text ends
  /// What a C compiler may keep for later, since this was emptied.
  std::set<optimizer::ValueId> kept;

  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
    text += '\n';
  }

  /// To call between statements of the graph.
  void begin_node() { temporaries_ = 0; }
  /// Expressions that one statement uses, which must come next; with brackets where operands need them.
  std::vector<std::string> print_operands(const std::vector<optimizer::ValueId>& values);
  std::string print_operand(optimizer::ValueId value) { return print_operands({value}).front(); }
  std::string print(optimizer::ValueId value);
  std::string cell(optimizer::ValueId phi);

  /// Executes the statement `fail` unless the packet has [0, end).  Returns what `base` is there.
  std::optional<Base> guard(std::int64_t end, std::string_view fail);
  /// The same for [begin, end) relative to `index`; makes `base` a pointer to them.
  std::optional<Base> guard(optimizer::ValueId index, std::int64_t begin, std::int64_t end,
                            std::string_view fail);

 private:
  using Span = std::pair<std::int64_t, std::int64_t>;

  void collect(optimizer::ValueId value, std::map<optimizer::ValueId, Span>& spans) const;
  void need(optimizer::ValueId index, Span span);
  std::string pointer(std::optional<optimizer::ValueId> index, std::uint32_t offset) const;
  std::string temporary();
  bool has_brackets(optimizer::ValueId value) const {
    return std::holds_alternative<optimizer::Arithmetic>(graph_.values[value]);
  }
  std::string print_part(optimizer::ValueId value);
  std::string print_load(const optimizer::PacketLoad& load);
  std::string print_arithmetic(const optimizer::Arithmetic& arithmetic);

  const optimizer::Graph& graph_;
  const COptions& options_;
  const optimizer::CellSlots& variables_;
  bool loads_to_temporaries_ = false;
  std::size_t temporaries_ = 0;  ///< used by the node at hand
};

}  // namespace cbpfc
