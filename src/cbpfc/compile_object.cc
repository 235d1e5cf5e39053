// SPDX-License-Identifier: BSD-3-Clause
//
// The fragment as a function: arguments where a call puts them, the value where it is expected.
// Tested by: object_test.cc, tests/kernel/object.

#include <cbpfc/object.h>

namespace cbpfc {

Result<std::vector<std::uint8_t>> compile_object(const Filter& filter,
                                                 const ObjectOptions& options) {
  using ebpf::Reg;
  ebpf::Assembly function =
      TRY(compile_ebpf(filter, {.packet_start = Reg::R1,
                                .packet_end = Reg::R2,
                                .result = Reg::R0,
                                .working = {Reg::R0, Reg::R3, Reg::R4, Reg::R5},
                                .packet_start_offset_bytes = options.packet_start_offset_bytes,
                                .spare = {Reg::R6, Reg::R7, Reg::R8, Reg::R9},
                                .optimize = options.optimize}));
  function.label("result");
  function.add(ebpf::exit_insn());
  return write_object(TRY(function.assemble()), options);
}

}  // namespace cbpfc
