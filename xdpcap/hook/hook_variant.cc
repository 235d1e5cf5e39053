// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/hook/hook_variant.h"

#include <cbpfc/ebpf.h>
#include <fmt/core.h>

#include <array>
#include <cerrno>

#include "xdpcap/kernel/program.h"

namespace xdpcap {
namespace {

constexpr std::array<Variant, 4> kVariants = {
    {{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false},
     {.expected_attach_type = kAttachTypeXdp, .multi_buffer = true},
     {.expected_attach_type = 0, .multi_buffer = false},
     {.expected_attach_type = 0, .multi_buffer = true}}};

/// A program that mentions the hook, and would do nothing if it ever ran.
Result<std::vector<cbpfc::ebpf::Insn>> probe_program(const Hook& hook) {
  cbpfc::ebpf::Assembly code;
  code.add_map_fd(cbpfc::ebpf::Reg::R1, hook.fd());
  code.add(cbpfc::ebpf::mov(cbpfc::ebpf::Reg::R0, static_cast<std::int32_t>(Action::Pass)));
  code.add(cbpfc::ebpf::exit_insn());
  return code.assemble();
}

}  // namespace

std::string Variant::describe() const {
  return fmt::format(
      "expected attach type {}, {}",
      expected_attach_type == kAttachTypeXdp ? "BPF_XDP" : fmt::format("{}", expected_attach_type),
      multi_buffer ? "multi-buffer" : "single-buffer");
}

Result<Variant> find_variant(const Hook& hook) {
  const std::vector<cbpfc::ebpf::Insn> insns = TRY(probe_program(hook));
  std::string tried;
  for (const Variant& variant : kVariants) {
    Result<UniqueFd> program =
        load_xdp_program({.name = "xdpcap_probe",
                          .insns = insns,
                          .expected_attach_type = variant.expected_attach_type,
                          .multi_buffer = variant.multi_buffer});
    if (program.has_value()) {
      return variant;
    }
    // EINVAL is the hook's refusal, and also that of a kernel before 5.18 that has no multi-buffer.
    if (program.error().sys_errno != EINVAL) {
      return std::unexpected(std::move(program).error());
    }
    tried += (tried.empty() ? "" : "; ") + variant.describe();
  }
  return fail(
      Errc::Unsupported,
      fmt::format("hook {}: it accepts none of the kinds of program that were tried ({}); its "
                  "owner may be a device-bound, devmap or cpumap program, or was loaded "
                  "before net.core.bpf_jit_enable changed",
                  hook.path(), tried),
      EINVAL);
}

}  // namespace xdpcap
