// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/chain_code.h"

#include <fmt/core.h>

#include <cstddef>

#include "xdpcap/program/chain_state.h"
#include "xdpcap/program/helpers.h"

namespace xdpcap {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): as in capture_program.cc

void emit_ask_next(Assembly& code, const HandOnSpec& spec, const std::string& chain_label) {
  constexpr std::uint32_t kAll = (1U << chain::kPositions) - 1;
  const std::uint32_t later = kAll & ~((2U << spec.position) - 1);
  constexpr std::size_t kEntered = offsetof(chain::ChainState, entered);
  code.add_map_value(
      Reg::R2, spec.state_fd,
      static_cast<std::uint32_t>(kEntered + index(spec.action) * sizeof(std::uint32_t)));
  code.add(load(Width::Word, Reg::R4, Reg::R2, 0));
  code.jump_if(Cmp::Any, Reg::R4, static_cast<std::int32_t>(later), chain_label);
}

void emit_hand_on(Assembly& code, const HandOnSpec& spec) {
  const auto call_of = [](std::uint32_t position) { return fmt::format("call_{}", position); };
  for (std::uint32_t next = spec.position + 1; next < chain::kForeignPosition; ++next) {
    code.jump_if(Cmp::Any, Reg::R4, static_cast<std::int32_t>(1U << next), call_of(next));
  }
  for (std::uint32_t next = chain::kForeignPosition; next > spec.position; --next) {
    code.label(call_of(next));
    code.add(mov(Reg::R1, spec.context));
    code.add_map_fd(Reg::R2, spec.programs_fd);
    code.add(mov(Reg::R3, static_cast<std::int32_t>(chain::program_key(spec.action, next))));
    code.add(call(helper::kTailCall));
    if (next != spec.position + 1) {
      code.jump("came_back");
    }
  }
  code.label("came_back");
}

}  // namespace xdpcap
