// SPDX-License-Identifier: BSD-3-Clause
//
// The fragment as a function: arguments where a call puts them, the value where it is expected.
//
// Where ancillary loads are calls, which overwrite R0 to R5, the packet is moved out of their way.
//
// Tested by: object_test.cc, tests/kernel/object_test.cc.

#include <cbpfc/object.h>

#include <utility>

namespace cbpfc {
namespace {

using ebpf::Reg;

constexpr auto kFirstArgument = Reg::R1;
constexpr auto kSecondArgument = Reg::R2;

EbpfOptions fragment_options(const ObjectOptions& options) {
  EbpfOptions fragment{.packet_start = kFirstArgument,
                       .packet_end = kSecondArgument,
                       .result = Reg::R0,
                       .working = {Reg::R0, Reg::R3, Reg::R4, Reg::R5},
                       .packet_start_offset_bytes = options.packet_start_offset_bytes,
                       .ancillary = options.ancillary,
                       .spare = {Reg::R6, Reg::R7, Reg::R8, Reg::R9},
                       .optimize = options.optimize};
  if (options.ancillary.helpers) {
    fragment.packet_start = Reg::R6;
    fragment.packet_end = Reg::R7;
    fragment.working = {Reg::R0, Reg::R8, Reg::R1, Reg::R2};
    fragment.spare = {Reg::R9};
  }
  return fragment;
}

Result<void> check_options(const ObjectOptions& options) {
  if (options.ancillary.context) {
    return fail_option(
        Errc::InvalidArgument, "ancillary.context",
        "compile filter to an object file: the function is given the packet alone, no context");
  }
  return {};
}

Result<std::vector<std::uint8_t>> as_function(const ebpf::Assembly& fragment,
                                              const EbpfOptions& registers,
                                              const ObjectOptions& options) {
  ebpf::Assembly function;
  if (registers.packet_start != kFirstArgument) {
    function.add(ebpf::mov(registers.packet_start, kFirstArgument));
    function.add(ebpf::mov(registers.packet_end, kSecondArgument));
  }
  function.append(fragment);
  function.label(registers.result_label);
  function.add(ebpf::exit_insn());
  return write_object(TRY(function.assemble()), options);
}

}  // namespace

Result<std::vector<std::uint8_t>> compile_object(const Filter& filter,
                                                 const ObjectOptions& options) {
  TRY(check_options(options));
  const EbpfOptions fragment = fragment_options(options);
  return as_function(TRY(compile_ebpf(filter, fragment)), fragment, options);
}

Result<std::vector<std::uint8_t>> compile_object_set(std::span<const Filter> filters,
                                                     const ObjectOptions& options) {
  TRY(check_options(options));
  const EbpfOptions fragment = fragment_options(options);
  return as_function(TRY(compile_ebpf_set(filters, fragment)), fragment, options);
}

}  // namespace cbpfc
