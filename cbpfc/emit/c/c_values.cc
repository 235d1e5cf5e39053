// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/emit/c/c_values.h"

#include <cbpfc/compile.h>

#include <algorithm>
#include <array>

#include "base/overloaded.h"
#include "cbpfc/emit/c/emit_c.h"

namespace cbpfc {

using optimizer::ValueId;

namespace {

/// Furthest that bytes may lie apart which are read through one pointer.
constexpr std::int64_t kMostSpan = 32768;

/// Largest index that is masked rather than compared: with the furthest load behind it and the furthest start
/// of the packet, it stays within what the verifier allows.
constexpr std::uint32_t kMostMasked = 0x3fff;
static_assert(kMostMasked + kMostSpan + kMostPacketStartOffset <= kMaxPacketOffset);

// At -O0 everything is loaded from the stack and stored there again.
constexpr std::size_t kInsnsOfPart = 8;
constexpr std::size_t kInsnsOfGuard = 12;
constexpr std::size_t kInsnsOfBase = 26;

/// Where a load relative to an index begins.
std::int64_t signed_offset(std::uint32_t offset) {
  return static_cast<std::int32_t>(offset);
}

/// Text that adds `offset`, which may be negative.
std::string print_sum(const std::string& left, std::uint32_t offset) {
  if (offset == 0) {
    return left;
  }
  return signed_offset(offset) < 0 ? fmt::format("{} - {}", left, print_number(0 - offset))
                                   : fmt::format("{} + {}", left, print_number(offset));
}

}  // namespace

std::string print_number(std::uint32_t value) {
  return value < 10 ? fmt::format("{}u", value) : fmt::format("{:#x}u", value);
}

std::optional<CValues::Base> CValues::meet(const std::optional<Base>& left,
                                           const std::optional<Base>& right) {
  if (!left || !right || left->index != right->index || left->begin != right->begin) {
    return std::nullopt;
  }
  return Base{.index = left->index, .begin = left->begin, .end = std::min(left->end, right->end)};
}

std::vector<std::string> CValues::print_operands(const std::vector<ValueId>& values) {
  std::map<ValueId, Span> spans;
  for (const ValueId value : values) {
    collect(value, spans);
  }
  const bool outer = loads_to_temporaries_;
  loads_to_temporaries_ = spans.size() > 1 || std::ranges::any_of(spans, [](const auto& one) {
                            return one.second.second - one.second.first > kMostSpan;
                          });
  if (!loads_to_temporaries_ && !spans.empty()) {
    need(spans.begin()->first, spans.begin()->second);
  }
  std::vector<std::string> texts;
  for (const ValueId value : values) {
    texts.push_back(print_part(value));
  }
  loads_to_temporaries_ = outer;
  return texts;
}

std::string CValues::print(ValueId value) {
  const std::string operand = print_operand(value);
  return has_brackets(value) ? operand.substr(1, operand.size() - 2) : operand;
}

/// The bytes that are loaded relative to each index to compute `value` from indexes.
void CValues::collect(ValueId value, std::map<ValueId, Span>& spans) const {
  const auto* load = std::get_if<optimizer::PacketLoad>(&graph_.values[value]);
  if (load == nullptr) {
    for (const ValueId operand : graph_.values.operands(value)) {
      collect(operand, spans);
    }
  } else if (load->index) {
    const std::int64_t begin = signed_offset(load->offset);
    const std::int64_t end = begin + static_cast<std::int64_t>(load->size);
    const auto [span, is_new] = spans.try_emplace(*load->index, begin, end);
    span->second = {std::min(span->second.first, begin), std::max(span->second.second, end)};
  }
}

/// Makes `base` a pointer for bytes that are known to be there.
void CValues::need(ValueId index, Span span) {
  if (!base || base->index != index || span.first < base->begin || span.second > base->end) {
    guard(index, span.first, span.second, "return 0u");
  }
}

std::string CValues::pointer(std::optional<ValueId> index, std::uint32_t offset) const {
  if (!index) {
    return offset == 0 ? "data" : fmt::format("data + {}", offset);
  }
  const std::int64_t distance = signed_offset(offset) - base->begin;
  return distance == 0 ? "base" : fmt::format("base + {}", distance);
}

std::string CValues::temporary() {
  names.temporaries = std::max(names.temporaries, temporaries_ + 1);
  return fmt::format("t{}", temporaries_++);
}

std::string CValues::cell(ValueId phi) {
  const std::uint32_t name = *variables_[std::get<optimizer::Phi>(graph_.values[phi]).number];
  names.cells.insert(name);
  return fmt::format("cell{}", name);
}

std::string CValues::print_part(ValueId value) {
  insns += kInsnsOfPart;
  return std::visit(Overloaded{
                        [](const optimizer::Constant& v) { return print_number(v.value); },
                        [&](const optimizer::PacketLoad& v) {
                          kept.insert(value);
                          return print_load(v);
                        },
                        [&](const optimizer::PacketLength&) {
                          if (options_.packet_length) {
                            names.packet_length = true;
                            return std::string("packet_length");
                          }
                          names.packet = true;
                          std::string length = temporary();
                          line("  CBPFC_LENGTH({});", length);
                          return length;
                        },
                        [&](const optimizer::Arithmetic& v) {
                          kept.insert(value);
                          return fmt::format("({})", print_arithmetic(v));
                        },
                        // Refused by compile_c().
                        [](const optimizer::ContextWord&) -> std::string { std::unreachable(); },
                        [&](const optimizer::Phi&) { return cell(value); },
                    },
                    graph_.values[value]);
}

std::string CValues::print_load(const optimizer::PacketLoad& load) {
  const bool to_temporary = load.index && loads_to_temporaries_;
  if (to_temporary) {
    const std::int64_t begin = signed_offset(load.offset);
    need(*load.index, {begin, begin + static_cast<std::int64_t>(load.size)});
  }
  const std::string from = pointer(load.index, load.offset);
  const std::string number = fmt::format("CBPFC_LOAD{}({})", 8 * static_cast<int>(load.size), from);
  if (!to_temporary) {
    return number;
  }
  std::string variable = temporary();
  line("  {} = {};", variable, number);
  return variable;
}

std::string CValues::print_arithmetic(const optimizer::Arithmetic& arithmetic) {
  constexpr std::array<std::string_view, 10> kOps = {"+", "-",  "*",  "/", "|",
                                                     "&", "<<", ">>", "%", "^"};
  const std::string left = print_part(arithmetic.left);
  const auto k = graph_.values.known(arithmetic.right);
  if (arithmetic.op == AluOp::Add && k) {
    return print_sum(left, *k);
  }
  std::string right = print_part(arithmetic.right);
  if ((arithmetic.op == AluOp::Lsh || arithmetic.op == AluOp::Rsh) && !k) {
    right = fmt::format("({} & 31u)", right);
  }
  return fmt::format("{} {} {}", left, kOps[static_cast<std::size_t>(arithmetic.op)], right);
}

std::optional<CValues::Base> CValues::guard(std::int64_t end, std::string_view fail) {
  names.packet = true;
  insns += kInsnsOfGuard;
  const bool far = end > kMaxPacketOffset - options_.packet_start_offset_bytes;
  line("  CBPFC_NEED{}(data, {}u, {});", far ? "_FAR" : "", end, fail);
  return base;
}

std::optional<CValues::Base> CValues::guard(ValueId index, std::int64_t begin, std::int64_t end,
                                            std::string_view fail) {
  const bool has_base = base && base->index == index;
  const std::uint32_t max = graph_.values.max(index);
  names.packet = names.base = true;
  insns += kInsnsOfBase;
  if (max <= kMostMasked && begin >= 0 && end <= kMostSpan) {
    if (has_base && base->begin == 0) {
      line("  CBPFC_NEED(base, {}u, {});", end, fail);
      const std::optional<Base> there = base;
      base->end = std::max(base->end, end);
      return there;
    }
    const std::string x = print(index);
    line("  CBPFC_SMALL_BASE({}, {:#x}u, {}u, {});", x, optimizer::bits_of(max), end, fail);
    base = Base{.index = index, .begin = 0, .end = end};
    return std::nullopt;
  }
  // A pointer that is there may have been compared with a limit that is too large now.
  if (has_base && base->begin <= begin && end - base->begin < kMostSpan) {
    begin = base->begin;
  }
  names.unknown_0 = true;
  const std::string x = print_sum(print_operand(index), static_cast<std::uint32_t>(begin));
  line("  CBPFC_BASE({}, {}u, {}u, {});", x,
       kMaxPacketOffset - options_.packet_start_offset_bytes - (end - begin), end - begin, fail);
  base = Base{.index = index, .begin = begin, .end = end};
  return std::nullopt;
}

}  // namespace cbpfc
