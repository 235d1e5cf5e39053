// SPDX-License-Identifier: BSD-3-Clause
//
// Steps and exits of a graph as statements of C, for emit_c.cc, which makes functions of them.

#pragma once

#include <cbpfc/compile_c.h>
#include <fmt/format.h>

#include <cassert>
#include <cstdint>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cfg.h"
#include "liveness.h"
#include "value_range.h"

namespace cbpfc {

/// The names that statements mention.
struct CNames {
  bool a = false;
  bool x = false;
  bool base = false;
  bool bound = false;
  bool unknown_0 = false;
  bool packet = false;         ///< data and data_end, on a host and under BPF
  bool packet_length = false;  ///< the parameter
  std::set<std::uint8_t> slots;
  std::set<BlockId> labels;    ///< blocks that are jumped to
  std::set<BlockId> left_for;  ///< blocks of later parts

  bool leave() const { return !left_for.empty(); }
};

/// Whether no jump leads to `block`, because it only returns a constant: the jump is a return.
bool is_a_return(const Block& block);

/// How a part of the filter ends, see emit_c.cc.
struct CPart {
  BlockId end = SIZE_MAX;  ///< blocks from here on are in a later part
  bool is_whole = true;    ///< the function returns the filter's value
};

/// Writes one block after the other.
class CStatements {
 public:
  /// Requires: valid options; a graph that has been through run_passes() and remove_dead_steps().
  CStatements(const Cfg& cfg, const COptions& options);

  /// The statements of a block; `next` is the one that will be written behind it.
  /// Adds to `names` what they mention.
  std::string write(BlockId id, std::optional<BlockId> next, const CPart& part, CNames& names);

 private:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    text_ += "  ";
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  void forget_when_due(const Block& block, std::size_t step);
  std::string returns(std::string_view value) const;
  std::string jump_to(BlockId id);
  void use(Register r) { (r == Register::A ? names_->a : names_->x) = true; }

  void emit(const LoadImmediate& s);
  void emit(const LoadOpaque& s);
  void emit(const LoadAbsolute& s);
  void emit(const LoadFromBase& s);
  void emit(const LoadIndirect& s);
  void emit(const LoadHeaderLength& s);
  void emit(const LoadLength& s);
  void emit(const LoadScratch& s);
  void emit(const StoreScratch& s);
  void emit(const Alu& s);
  void emit(const Negate& s);
  void emit(const Transfer& s);
  void emit(const AbsoluteGuard& s);
  void emit(const IndirectGuard& s);
  // compile_c() lets none of these in: context and helpers are not to be had in C, loops are refused.
  void emit(const LoadContext&) { assert(false && "refused by compile_c()"); }
  void emit(const CallHelper&) { assert(false && "refused by compile_c()"); }
  void emit(const StartLoop&) { assert(false && "refused by compile_c()"); }
  void emit(const CountTrip&) { assert(false && "refused by compile_c()"); }
  void emit(const DivisorGuard& s);
  void emit(const Goto& e);
  void emit(const Branch& e);
  void emit(const ReturnA& e);
  void emit(const ReturnConstant& e);

  const Cfg& cfg_;
  const COptions& options_;
  std::vector<ValueRange> range_at_entry_;
  std::vector<Places> live_at_entry_;
  bool has_opaque_ = false;    ///< the graph computes with constants
  std::vector<bool> forgets_;  ///< blocks that begin with CBPFC_FORGET
  /// What clang may keep for later, since it was last told to forget: kind, size or operation, number.
  std::set<std::tuple<std::size_t, int, std::uint32_t>> kept_;

  // Of the block at hand.
  std::string text_;
  CNames* names_ = nullptr;
  CPart part_;
  std::optional<BlockId> next_;
  ValueRange range_;  ///< before the step at hand
};

}  // namespace cbpfc
