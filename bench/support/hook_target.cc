// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/hook_target.h"

#include <bpf/bpf.h>
#include <cbpfc/ebpf.h>

#include <cerrno>

#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"

namespace bench {

using cbpfc::Result;

Result<HookTarget> HookTarget::create(xdpcap::Action action, bool is_multi_buffer) {
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  HookTarget target;
  target.action_ = action;
  target.hook_.reset(bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "bench_hook", 4, 4,
                                    static_cast<__u32>(xdpcap::kActions.size()), nullptr));
  if (!target.hook_.is_open()) {
    return xdpcap::kernel_failure("create a hook", errno, xdpcap::kProgramCapabilities);
  }
  const auto value = static_cast<std::int32_t>(xdpcap::index(action));
  Assembly code;
  code.add_map_fd(Reg::R2, target.hook_.get());
  code.add(mov(Reg::R3, value));
  code.add(call(BPF_FUNC_tail_call));
  code.add(mov(Reg::R0, value));
  code.add(exit_insn());
  const auto insns = TRY(code.assemble());
  target.program_ = TRY(xdpcap::load_xdp_program(
      {.name = "bench_target", .insns = insns, .multi_buffer = is_multi_buffer}));
  return target;
}

Result<void> HookTarget::put(int program_fd) const {
  const auto slot = static_cast<std::uint32_t>(xdpcap::index(action_));
  return program_fd < 0 ? xdpcap::remove_program(hook_.get(), slot)
                        : xdpcap::put_program(hook_.get(), slot, program_fd);
}

}  // namespace bench
