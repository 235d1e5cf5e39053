// SPDX-License-Identifier: BSD-3-Clause
//
// Insn to struct sock_filter: the inverse of cbpf_decode.cc, up to fields the kernel ignores.
// Tested by: cbpf_decode_test.cc (every opcode, both ways).

#include <cbpfc/cbpf.h>

#include "classic_opcodes.h"
#include "overloaded.h"

namespace cbpfc {
namespace {

std::uint16_t size_bits(Size size) {
  switch (size) {
    case Size::Byte: return opcode::kByte;
    case Size::Half: return opcode::kHalf;
    case Size::Word: return opcode::kWord;
  }
  return opcode::kWord;
}

RawInsn raw(int code, std::uint32_t k = 0) {
  return RawInsn{.code = static_cast<std::uint16_t>(code), .k = k};
}

int load_class(Register dst) {
  return dst == Register::A ? opcode::kLd : opcode::kLdx;
}
int source_bit(const Operand& operand) {
  return operand.is_x ? opcode::kSourceX : 0;
}

}  // namespace

RawInsn encode_insn(const Insn& insn) {
  return std::visit(
      Overloaded{
          [](const LoadImmediate& i) { return raw(load_class(i.dst) | opcode::kImm, i.value); },
          [](const LoadAbsolute& i) {
            return raw(opcode::kLd | opcode::kAbs | size_bits(i.size), i.offset);
          },
          [](const LoadIndirect& i) {
            return raw(opcode::kLd | opcode::kInd | size_bits(i.size), i.offset);
          },
          [](const LoadHeaderLength& i) {
            return raw(opcode::kLdx | opcode::kMsh | opcode::kByte, i.offset);
          },
          [](const LoadLength& i) { return raw(load_class(i.dst) | opcode::kLen); },
          [](const LoadAncillary& i) {
            return raw(opcode::kLd | opcode::kAbs | size_bits(i.size), kAncillaryOffset + i.offset);
          },
          [](const LoadScratch& i) { return raw(load_class(i.dst) | opcode::kMem, i.slot); },
          [](const StoreScratch& i) {
            return raw(i.src == Register::A ? opcode::kSt : opcode::kStx, i.slot);
          },
          [](const Alu& i) {
            return raw(
                opcode::kAlu | opcode::bits_of(opcode::kAluOps, i.op) | source_bit(i.operand),
                i.operand.k);
          },
          [](const Negate&) { return raw(opcode::kAlu | opcode::kNeg); },
          [](const Transfer& i) {
            return raw(opcode::kMisc | (i.dst == Register::X ? opcode::kTax : opcode::kTxa));
          },
          [](const Jump& i) { return raw(opcode::kJmp | opcode::kJa, i.skip); },
          [](const JumpIf& i) {
            RawInsn out = raw(opcode::kJmp | opcode::bits_of(opcode::kConditions, i.condition) |
                                  source_bit(i.operand),
                              i.operand.k);
            out.jt = i.skip_true;
            out.jf = i.skip_false;
            return out;
          },
          [](const ReturnA&) { return raw(opcode::kRet | opcode::kReturnsA); },
          [](const ReturnConstant& i) { return raw(opcode::kRet, i.value); },
      },
      insn);
}

std::vector<RawInsn> Filter::encode() const {
  std::vector<RawInsn> raw_insns;
  raw_insns.reserve(insns_.size());
  for (const Insn& insn : insns_) {
    raw_insns.push_back(encode_insn(insn));
  }
  return raw_insns;
}

}  // namespace cbpfc
