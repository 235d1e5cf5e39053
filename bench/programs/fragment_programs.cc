// SPDX-License-Identifier: BSD-3-Clause
//
// Registers: R2 and R3 the packet, R4 to R7 the filter's, R0 and R1 (and R8 outside the loop) spare for
// it, R8 the loop's counter, R9 the number of matches.

#include <cbpfc/compile.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <string>

#include "bench/programs/programs.h"

namespace bench {
namespace {

using namespace cbpfc::
    ebpf;  // NOLINT(google-build-using-namespace): an assembler reads better bare

using cbpfc::Filter;
using cbpfc::Result;

constexpr auto kMatches = Reg::R9;
constexpr auto kLoopsLeft = Reg::R8;
/// Stack of the loop: the context, and the generator's state.
constexpr std::int16_t kContextSlot = -8;
constexpr std::int16_t kRandomSlot = -16;
constexpr std::uint32_t kLoopStackBytes = 16;

struct Surroundings {
  std::vector<Reg> spare = {Reg::R0, Reg::R1, Reg::R8};
  std::uint32_t stack_bytes = 0;
};

/// Appends the filter, which goes on at PREFIX_no, or with what is added next.
/// Returns the number of instructions of the fragment alone.
Result<std::size_t> add_filter(Assembly& program, const Filter& filter, bool optimize,
                               const std::string& prefix, const Surroundings& surroundings) {
  const Assembly fragment =
      TRY(cbpfc::compile_ebpf(filter, {.label_prefix = prefix + "_filter",
                                       .stack_offset_bytes = surroundings.stack_bytes,
                                       .spare = surroundings.spare,
                                       .match_label = prefix + "_yes",
                                       .no_match_label = prefix + "_no",
                                       .optimize = optimize}));
  program.append(fragment);
  program.label(prefix + "_yes");
  return fragment.size();
}

void add_packet_pointers(Assembly& program, Reg context) {
  program.add(load(Width::Word, Reg::R2, context, 0));
  program.add(load(Width::Word, Reg::R3, context, 4));
}

Result<Program> minimal(const Filter& filter, bool optimize, std::size_t& emitted_insns) {
  Assembly program;
  add_packet_pointers(program, Reg::R1);
  emitted_insns = TRY(add_filter(program, filter, optimize, "f", {}));
  program.add(mov(Reg::R0, XDP_DROP));
  program.add(exit_insn());
  program.label("f_no");
  program.add(mov(Reg::R0, XDP_PASS));
  program.add(exit_insn());
  return program.assemble();
}

Result<Program> in_a_row(const Filter& filter, bool optimize, int copies) {
  Assembly program;
  add_packet_pointers(program, Reg::R1);
  program.add(mov(kMatches, 0));
  for (int copy = 0; copy < copies; ++copy) {
    const std::string prefix = fmt::format("f{}", copy);
    TRY(add_filter(program, filter, optimize, prefix, {}));
    program.add(alu(Alu::Add, kMatches, 1));
    program.label(prefix + "_no");
  }
  program.add(mov(Reg::R0, kMatches));
  program.add(exit_insn());
  return program.assemble();
}

void add_table_address(Assembly& program, Reg dst) {
  constexpr std::uint8_t kLoadDouble = BPF_LD | BPF_DW | BPF_IMM;
  program.add(Insn{.opcode = kLoadDouble,
                   .registers = static_cast<std::uint8_t>(dst),
                   .immediate = static_cast<std::int32_t>(kTablePlaceholder & 0xffffffff)});
  program.add(Insn{.immediate = static_cast<std::int32_t>(kTablePlaceholder >> 32)});
}

/// value = next_random(value).
void add_next_random(Assembly& program, Reg value, Reg temporary) {
  const auto mix = [&](Alu shift, int by) {
    program.add(mov(temporary, value));
    program.add(alu(shift, temporary, by));
    program.add(alu(Alu::Xor, value, temporary));
  };
  mix(Alu::Lsh, 13);
  mix(Alu::Rsh, 7);
  mix(Alu::Lsh, 17);
}

/// One pass of the loop up to the filter: R2 and R3 are the packet, with a new key in it.
void add_new_packet(Assembly& program, const Varying& varying) {
  program.add(load(Width::Double, Reg::R4, Reg::R10, kRandomSlot));
  add_next_random(program, Reg::R4, Reg::R5);
  program.add(store(Width::Double, Reg::R10, kRandomSlot, Reg::R4));
  program.add(alu(Alu::And, Reg::R4, static_cast<std::int32_t>(kKeys - 1)));
  program.add(alu(Alu::Lsh, Reg::R4, 3));
  add_table_address(program, Reg::R1);
  program.add(alu(Alu::Add, Reg::R1, Reg::R4));
  program.add(load(Width::Double, Reg::R4, Reg::R1, offsetof(KeyTable, keys)));
  program.add(load(Width::Double, Reg::R5, Reg::R10, kContextSlot));
  add_packet_pointers(program, Reg::R5);
  program.add(mov(Reg::R5, Reg::R2));
  program.add(alu(Alu::Add, Reg::R5, static_cast<std::int32_t>(kVaryingPacketBytes)));
  program.jump_if(Cmp::Greater, Reg::R5, Reg::R3, "out");
  program.add(store(Width::Double, Reg::R2, varying.key_offset, Reg::R4));
}

Result<Program> varying_keys(const Filter* filter, bool optimize, const Varying& varying) {
  Assembly program;
  program.add(store(Width::Double, Reg::R10, kContextSlot, Reg::R1));
  add_table_address(program, Reg::R1);
  program.add(load(Width::Double, Reg::R2, Reg::R1, offsetof(KeyTable, random)));
  program.add(store(Width::Double, Reg::R10, kRandomSlot, Reg::R2));
  program.add(mov(kMatches, 0));
  program.add(mov(kLoopsLeft, varying.loops));
  program.label("again");
  add_new_packet(program, varying);
  if (filter != nullptr) {
    TRY(add_filter(program, *filter, optimize, "f",
                   {.spare = {Reg::R0, Reg::R1}, .stack_bytes = kLoopStackBytes}));
    program.add(alu(Alu::Add, kMatches, 1));
    program.label("f_no");
  }
  if (varying.loops > 1) {
    program.add(alu(Alu::Add, kLoopsLeft, -1));
    program.jump_if(Cmp::NotEqual, kLoopsLeft, 0, "again");
  }
  program.label("out");
  add_table_address(program, Reg::R1);
  program.add(load(Width::Double, Reg::R2, Reg::R10, kRandomSlot));
  program.add(store(Width::Double, Reg::R1, offsetof(KeyTable, random), Reg::R2));
  program.add(mov(Reg::R0, kMatches));
  program.add(exit_insn());
  return program.assemble();
}

}  // namespace

Result<Programs> fragment_programs(const Filter& filter, bool optimize,
                                   const ProgramsWanted& wanted) {
  Programs programs;
  programs.minimal = TRY(minimal(filter, optimize, programs.emitted_insns));
  if (wanted.copies > 0) {
    programs.one = TRY(in_a_row(filter, optimize, 1));
    programs.many = TRY(in_a_row(filter, optimize, wanted.copies));
  }
  if (wanted.varying) {
    programs.varying = TRY(varying_keys(&filter, optimize, *wanted.varying));
    programs.varying_base = TRY(varying_keys(nullptr, optimize, *wanted.varying));
  }
  return programs;
}

}  // namespace bench
