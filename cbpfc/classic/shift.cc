// SPDX-License-Identifier: BSD-3-Clause
//
// One copy of the filter behind the other, each at its own offset.  Only the ends of a copy change:
//
//     F            F at 14          F at 34 (the last)
//     ldb [9]      ldb [23]         ldb [43]
//     jeq #6       jeq #6           jeq #6
//     ret #1       ret #1           ret #1
//     ret #0       ja next copy     ret #0
//
// `ret a` goes to two more instructions behind its copy, which return A unless it is 0.  An end is
// replaced by one jump, so no other distance changes.  Copies but the first begin with clearing A
// and X if the filter relies on their being 0.
//
// Limits: a load outside the packet still ends the whole program, so a packet the copy at a small
// offset reads beyond its end is not offered to the larger offsets.  `ld [x + k]` is moved modulo
// 2^32: where the original reaches before the packet's start, and so ends, the copy reads the bytes
// before the offset. Cost: copies x instructions; 4,096 in all. Tested by: shift_test.cc.

#include <cbpfc/shift.h>
#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "cbpfc/classic/cfg.h"

namespace cbpfc {
namespace {

constexpr std::uint8_t kBothRegisters = RegisterUse::kA | RegisterUse::kX;

/// The registers that some path reads before it writes them.
std::uint8_t read_unset(const std::vector<Insn>& insns) {
  std::vector<std::uint8_t> written_at(insns.size(), kBothRegisters);
  std::uint8_t written = 0;
  std::uint8_t unset = 0;
  for (std::size_t pc = 0; pc < insns.size(); ++pc) {
    written &= written_at[pc];
    const RegisterUse use = use_of(insns[pc]);
    unset |= static_cast<std::uint8_t>(use.reads & ~written);
    written |= use.writes;
    if (const auto* jump = std::get_if<Jump>(&insns[pc])) {
      written_at[jump->target(pc)] &= written;
    } else if (const auto* branch = std::get_if<JumpIf>(&insns[pc])) {
      written_at[pc + 1 + branch->skip_true] &= written;
      written_at[pc + 1 + branch->skip_false] &= written;
    } else if (!std::holds_alternative<ReturnA>(insns[pc]) &&
               !std::holds_alternative<ReturnConstant>(insns[pc])) {
      continue;
    }
    written = kBothRegisters;  // the next instruction is reached by jumps only
  }
  return unset;
}

/// A packet offset moved by `by_bytes`; `what` names the instruction.
Result<std::uint32_t> move(std::uint32_t offset, std::uint32_t by_bytes, std::string_view what) {
  if (offset >= kLinkLayerOffset) {
    return fail(Errc::Unsupported,
                fmt::format("{} at {}, which counts from a header, not from the packet's start",
                            what, static_cast<std::int32_t>(offset)));
  }
  if (by_bytes >= kLinkLayerOffset - offset) {
    return fail(Errc::InvalidArgument,
                fmt::format("{} at {} moved by {} is beyond the largest offset, {}", what, offset,
                            by_bytes, kLinkLayerOffset - 1));
  }
  return offset + by_bytes;
}

/// An instruction moved by `by_bytes`; ends stay ends.
Result<Insn> move(const Insn& insn, std::uint32_t by_bytes) {
  if (const auto* load = std::get_if<LoadAbsolute>(&insn)) {
    return LoadAbsolute{.size = load->size, .offset = TRY(move(load->offset, by_bytes, "load"))};
  }
  if (const auto* load = std::get_if<LoadHeaderLength>(&insn)) {
    return LoadHeaderLength{.offset =
                                TRY(move(load->offset, by_bytes, "load of a header's length"))};
  }
  if (const auto* load = std::get_if<LoadIndirect>(&insn)) {
    return LoadIndirect{.size = load->size, .offset = load->offset + by_bytes};
  }
  if (std::holds_alternative<LoadLength>(insn)) {
    return fail(Errc::Unsupported,
                R"(the packet's length ("len", "less", "greater") has no offset)");
  }
  if (const auto* load = std::get_if<LoadAncillary>(&insn)) {
    return fail(Errc::Unsupported,
                fmt::format("ancillary load {} is not from the packet's bytes and has no offset",
                            load->offset));
  }
  return insn;
}

/// Appends the filter moved by `by_bytes`.
Result<> append_copy(std::vector<RawInsn>& out, const std::vector<Insn>& insns,
                     std::uint32_t by_bytes, bool is_last) {
  const bool returns_a = std::ranges::any_of(
      insns, [](const Insn& insn) { return std::holds_alternative<ReturnA>(insn); });
  const std::uint32_t trailer = returns_a ? 2 : 0;
  for (std::size_t pc = 0; pc < insns.size(); ++pc) {
    Insn moved = TRY(move(insns[pc], by_bytes).with_context(fmt::format("instruction {}", pc)));
    const auto rest = static_cast<std::uint32_t>(insns.size() - pc - 1);
    if (!is_last && moved == Insn(ReturnConstant{.value = 0})) {
      moved = Jump{.skip = rest + trailer};
    } else if (!is_last && std::holds_alternative<ReturnA>(moved)) {
      moved = Jump{.skip = rest};
    }
    out.push_back(encode_insn(moved));
  }
  if (!is_last && returns_a) {
    out.push_back(encode_insn(JumpIf{
        .condition = Condition::Equal, .operand = {.k = 0}, .skip_true = 1, .skip_false = 0}));
    out.push_back(encode_insn(ReturnA{}));
  }
  return {};
}

}  // namespace

Result<Filter> shift_filter(const Filter& filter, std::span<const std::uint32_t> offsets_bytes) {
  if (offsets_bytes.empty()) {
    return fail(Errc::InvalidArgument, "shift the filter: no offsets given");
  }
  if (const auto loop = filter.first_backward_jump()) {
    return fail(
        Errc::Unsupported,
        fmt::format("shift the filter: instruction {}: it jumps backwards, and the result is "
                    "for the kernel, which forbids that",
                    *loop));
  }
  std::vector<std::uint32_t> offsets(offsets_bytes.begin(), offsets_bytes.end());
  std::ranges::sort(offsets);
  const auto duplicates = std::ranges::unique(offsets);
  offsets.erase(duplicates.begin(), duplicates.end());

  const std::uint8_t unset = read_unset(filter.insns());
  std::vector<RawInsn> shifted;
  for (const std::uint32_t offset : offsets) {
    if (!shifted.empty() && (unset & RegisterUse::kA) != 0) {
      shifted.push_back(encode_insn(LoadImmediate{.dst = Register::A, .value = 0}));
    }
    if (!shifted.empty() && (unset & RegisterUse::kX) != 0) {
      shifted.push_back(encode_insn(LoadImmediate{.dst = Register::X, .value = 0}));
    }
    TRY(append_copy(shifted, filter.insns(), offset, offset == offsets.back())
            .with_context(fmt::format("shift the filter to offset {}", offset)));
    if (shifted.size() > kMaxClassicInsns) {
      return fail(
          Errc::InvalidProgram,
          fmt::format(
              "shift the filter to {} offsets: more than the {} instructions the kernel takes; "
              "use fewer offsets or a shorter expression",
              offsets.size(), kMaxClassicInsns));
    }
  }
  return Filter::decode(shifted).with_context("shift the filter");
}

}  // namespace cbpfc
