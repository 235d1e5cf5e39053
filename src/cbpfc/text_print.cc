// SPDX-License-Identifier: BSD-3-Clause
//
// Prints programs as text.  The operands follow libpcap's taste: constants of comparisons and of
// bit operations in hexadecimal, all others as signed decimal numbers, so that
//
//     { 0x50, 0, 0, 0xfffffff0 }        is        ldb      [x + -16]
//
// An opcode libpcap does not know prints as "unimp"; ldx #pktlen is one.
//
// Tested by: text_test.cc, which compares every opcode with bpf_image() and bpf_dump().

#include <cbpfc/text.h>
#include <fmt/format.h>

#include <iterator>

#include "ancillary.h"
#include "classic_opcodes.h"
#include "text_names.h"

namespace cbpfc {
namespace {

std::int32_t as_signed(std::uint32_t k) {
  return static_cast<std::int32_t>(k);
}

std::string operand(const RawInsn& insn, text::OperandKind kind, std::size_t index) {
  using enum text::OperandKind;
  switch (kind) {
    case None: return "";
    case Hex: return fmt::format("#{:#x}", insn.k);
    case Number: return fmt::format("#{}", as_signed(insn.k));
    case Absolute:
      if (is_ancillary_load(insn.k)) {
        return fmt::format("[{}]", ancillary::at(insn.k - kAncillaryOffset).listing);
      }
      return fmt::format("[{}]", as_signed(insn.k));
    case Indirect: return fmt::format("[x + {}]", as_signed(insn.k));
    case HeaderLength: return fmt::format("4*([{}]&0xf)", as_signed(insn.k));
    case Scratch: return fmt::format("M[{}]", as_signed(insn.k));
    case Length: return "#pktlen";
    case X: return "x";
    case Target:
      return fmt::format("{}", as_signed(static_cast<std::uint32_t>(index) + 1 + insn.k));
  }
  return "";
}

bool is_conditional_jump(std::uint16_t code) {
  return (code & opcode::kClassMask) == opcode::kJmp && (code & opcode::kOpMask) != opcode::kJa;
}

std::string listing_line(const RawInsn& insn, std::size_t index) {
  std::string mnemonic = "unimp";
  std::string shown = fmt::format("{:#x}", insn.code);
  for (const text::Opcode& known : text::kOpcodes) {
    if (known.code == insn.code) {
      mnemonic = known.mnemonic;
      shown = operand(insn, known.operand, index);
    }
  }
  if (is_conditional_jump(insn.code)) {
    return fmt::format("({:03}) {:<8} {:<16} jt {}\tjf {}\n", index, mnemonic, shown,
                       index + 1 + insn.jt, index + 1 + insn.jf);
  }
  return fmt::format("({:03}) {:<8} {}\n", index, mnemonic, shown);
}

}  // namespace

std::string print_program(std::span<const RawInsn> program, TextForm form) {
  std::string text;
  if (form == TextForm::Decimal) {
    text = fmt::format("{}\n", program.size());
  } else if (form == TextForm::OneLine) {
    text = fmt::format("{}", program.size());
  }
  auto out = std::back_inserter(text);
  for (std::size_t i = 0; i < program.size(); ++i) {
    const RawInsn& insn = program[i];
    switch (form) {
      case TextForm::Listing: text += listing_line(insn, i); break;
      case TextForm::CArray:
        fmt::format_to(out, "{{ {:#x}, {}, {}, 0x{:08x} }},\n", insn.code, insn.jt, insn.jf,
                       insn.k);
        break;
      case TextForm::Decimal:
        fmt::format_to(out, "{} {} {} {}\n", insn.code, insn.jt, insn.jf, insn.k);
        break;
      case TextForm::OneLine:
        fmt::format_to(out, ",{} {} {} {}", insn.code, insn.jt, insn.jf, insn.k);
        break;
    }
  }
  return text;
}

}  // namespace cbpfc
