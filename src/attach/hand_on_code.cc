// SPDX-License-Identifier: BSD-3-Clause

#include "attach/hand_on_code.h"

#include "attach/chain_state.h"
#include "attach/helpers.h"

namespace xdpcap {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): as in capture_program.cc

namespace {

void emit_tail_call(Assembly& code, const HandOnSpec& spec, std::uint32_t number_offset,
                    const std::string& end_label) {
  code.add_map_value(Reg::R2, spec.state_fd, number_offset);
  code.add(load(Width::Word, Reg::R3, Reg::R2, 0));
  code.jump_if(Cmp::Equal, Reg::R3, static_cast<std::int32_t>(chain::kEndOfChain), end_label);
  // Never out of this action's places, whoever wrote the number: the programs there return this action.
  code.jump_if(Cmp::Greater, Reg::R3, static_cast<std::int32_t>(chain::kForeignPosition),
               end_label);
  if (const auto first = static_cast<std::int32_t>(chain::place_of(spec.action, 0)); first != 0) {
    code.add(alu(Alu::Add, Reg::R3, first));
  }
  if (spec.context != Reg::R1) {
    code.add(mov(Reg::R1, spec.context));
  }
  code.add_map_fd(Reg::R2, spec.programs_fd);
  code.add(call(helper::kTailCall));
}

}  // namespace

void emit_hand_on(Assembly& code, const HandOnSpec& spec, const std::string& end_label) {
  emit_tail_call(code, spec, chain::next_offset(spec.action, spec.position), end_label);
}

Result<std::vector<Insn>> build_dispatcher(const HandOnSpec& spec) {
  Assembly code;
  emit_tail_call(code, spec, chain::head_offset(spec.action), "end");
  code.label("end");
  code.add(mov(Reg::R0, static_cast<std::int32_t>(index(spec.action))));
  code.add(exit_insn());
  return code.assemble();
}

}  // namespace xdpcap
