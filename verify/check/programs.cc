// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/programs.h"

#include <fmt/format.h>

#include <cstdint>

#include "cbpfc/command/target.h"

namespace check {

using cbpfc::EbpfOptions;
using cbpfc::Result;
using cbpfc::ebpf::Assembly;
using cbpfc::ebpf::Insn;
using cbpfc::ebpf::Reg;
using command::Subject;

namespace ebpf = cbpfc::ebpf;

namespace {

constexpr auto kContext = Reg::R9;
/// Source: Linux v6.18 include/uapi/linux/bpf.h struct xdp_md.
constexpr std::int16_t kDataOffset = 0;
constexpr std::int16_t kDataEndOffset = 4;

/// Loads the packet's pointers; R1 is the context.
void add_prologue(Assembly& program, const EbpfOptions& options) {
  program.add(ebpf::mov(kContext, Reg::R1));
  program.add(ebpf::load(ebpf::Width::Word, options.packet_start, kContext, kDataOffset));
  program.add(ebpf::load(ebpf::Width::Word, options.packet_end, kContext, kDataEndOffset));
}

}  // namespace

EbpfOptions own_options(const EbpfOptions& wanted) {
  EbpfOptions options;
  options.optimize = wanted.optimize;
  options.ancillary = wanted.ancillary;
  if (wanted.ancillary.helpers) {  // calls overwrite R0 to R5
    options.packet_start = Reg::R6;
    options.packet_end = Reg::R7;
    options.result = Reg::R0;
    options.working = {Reg::R1, Reg::R8, Reg::R2, Reg::R3};
  }
  if (wanted.ancillary.context) {
    options.ancillary.context = kContext;
  }
  return options;
}

Result<std::vector<Insn>> make_value_program(const Subject& subject, const EbpfOptions& wanted) {
  const EbpfOptions options = own_options(wanted);
  Assembly program;
  add_prologue(program, options);
  program.append(TRY(command::compile_subject(subject, options)));
  program.label(options.result_label);
  program.add(ebpf::mov32(Reg::R0, options.result));
  program.add(ebpf::exit_insn());
  return program.assemble();
}

Result<std::vector<Insn>> make_repeating_program(const Subject& subject, const EbpfOptions& wanted,
                                                 int copies) {
  EbpfOptions options = own_options(wanted);
  Assembly program;
  add_prologue(program, options);
  for (int copy = 0; copy < copies; ++copy) {
    options.label_prefix = fmt::format("copy{}", copy);
    options.result_label = fmt::format("result{}", copy);
    program.append(TRY(command::compile_subject(subject, options)));
    program.label(options.result_label);
  }
  program.add(ebpf::mov(Reg::R0, 0));
  program.add(ebpf::exit_insn());
  return program.assemble();
}

}  // namespace check
