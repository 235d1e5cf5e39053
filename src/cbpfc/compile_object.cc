// SPDX-License-Identifier: BSD-3-Clause
//
// The fragment as a function: arguments where a call puts them, the value where it is expected.
// Tested by: object_test.cc, tests/kernel/object_test.cc.

#include <cbpfc/object.h>

#include <utility>

namespace cbpfc {
namespace {

using ebpf::Reg;

EbpfOptions fragment_options(const ObjectOptions& options) {
  return {.packet_start = Reg::R1,
          .packet_end = Reg::R2,
          .result = Reg::R0,
          .working = {Reg::R0, Reg::R3, Reg::R4, Reg::R5},
          .result_label = "result",
          .packet_start_offset_bytes = options.packet_start_offset_bytes,
          .spare = {Reg::R6, Reg::R7, Reg::R8, Reg::R9},
          .optimize = options.optimize};
}

Result<std::vector<std::uint8_t>> as_function(ebpf::Assembly fragment,
                                              const ObjectOptions& options) {
  fragment.label("result");
  fragment.add(ebpf::exit_insn());
  return write_object(TRY(fragment.assemble()), options);
}

}  // namespace

Result<std::vector<std::uint8_t>> compile_object(const Filter& filter,
                                                 const ObjectOptions& options) {
  return as_function(TRY(compile_ebpf(filter, fragment_options(options))), options);
}

Result<std::vector<std::uint8_t>> compile_object_set(std::span<const Filter> filters,
                                                     const ObjectOptions& options) {
  return as_function(TRY(compile_ebpf_set(filters, fragment_options(options))), options);
}

}  // namespace cbpfc
