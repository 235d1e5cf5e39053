// SPDX-License-Identifier: BSD-3-Clause
//
// Decoding: a program is accepted exactly when it is the encoding of what it decodes to, but for fields
// without meaning, and refused with a place otherwise.

#include <pcap.h>

#include "verify/fuzz/fuzz.h"

namespace {

using cbpfc::Accept;
using cbpfc::Filter;
using cbpfc::RawInsn;

void expect_consistent(const RawInsn& raw) {
  const auto insn = cbpfc::decode_insn(raw);
  if (!insn) {
    fuzz::require(insn.error().code == cbpfc::Errc::InvalidProgram, "another code");
    return;
  }
  const RawInsn encoded = cbpfc::encode_insn(*insn);
  fuzz::require(encoded.code == raw.code, "another opcode");
  for (const auto& [ours, theirs] : {std::pair<std::uint32_t, std::uint32_t>{encoded.jt, raw.jt},
                                     {encoded.jf, raw.jf},
                                     {encoded.k, raw.k}}) {
    fuzz::require(ours == theirs || ours == 0, "a field changed");
  }
  const auto again = cbpfc::decode_insn(encoded);
  fuzz::require(again.has_value() && *again == *insn, "encoded, it decodes to something else");
}

/// Whether libpcap takes the program; it knows fewer reasons to refuse than the kernel.
bool is_valid_for_libpcap(const std::vector<RawInsn>& program) {
  std::vector<bpf_insn> insns(program.size());
  std::memcpy(insns.data(), program.data(), program.size() * sizeof(bpf_insn));
  return bpf_validate(insns.data(), static_cast<int>(insns.size())) != 0;
}

void expect_consistent(const std::vector<RawInsn>& program, Accept accept) {
  const auto filter = Filter::decode(program, accept);
  if (!filter) {
    const std::string& message = filter.error().message;
    fuzz::require(message.starts_with("instruction ") || message.starts_with("the program has "),
                  "no place: " + message);
    return;
  }
  const std::vector<RawInsn> encoded = filter->encode();
  fuzz::require(encoded.size() == program.size(), "another number of instructions");
  const auto again = Filter::decode(encoded, accept);
  fuzz::require(again.has_value() && *again == *filter, "encoded, it decodes to something else");
  if (accept == Accept::Kernel) {
    fuzz::require(is_valid_for_libpcap(program), "libpcap refuses it");
    const auto compilers = Filter::decode(program, Accept::Compiler);
    fuzz::require(compilers.has_value() && *compilers == *filter, "the compiler refuses it");
    fuzz::require(!filter->first_backward_jump(), "it jumps backward");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<RawInsn> program = fuzz::as_program({data, size});
  for (const RawInsn& raw : program) {
    expect_consistent(raw);
  }
  expect_consistent(program, Accept::Kernel);
  expect_consistent(program, Accept::Compiler);
  return 0;
}
