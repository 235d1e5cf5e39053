// SPDX-License-Identifier: BSD-3-Clause
//
// The compiler from end to end.
// Tested by: compile_ebpf_test.cc.

#include <cbpfc/compile.h>
#include <fmt/format.h>

#include <algorithm>

#include "cfg.h"
#include "ebpf_options.h"
#include "emit_ebpf.h"
#include "optimizer/optimize.h"
#include "passes.h"

namespace cbpfc {

bool reads_length(const Filter& filter) {
  return std::ranges::any_of(
      filter.insns(), [](const Insn& insn) { return std::holds_alternative<LoadLength>(insn); });
}

Result<ebpf::Assembly> compile_ebpf(const Filter& filter, const EbpfOptions& options) {
  TRY(check_options(options));
  if (options.access != PacketAccess::Direct) {
    return fail(Errc::Unsupported,
                "compile filter: option access: only direct access is there yet");
  }
  const std::uint32_t max_packet_offset = kMaxPacketOffset - options.packet_start_offset_bytes;
  Cfg cfg = TRY(build_cfg(filter, max_packet_offset).with_context("compile filter"));
  if (options.optimize) {
    simplify_jumps(cfg);
    if (auto optimized = optimizer::compile_optimized({&cfg, 1}, false, options)) {
      return *std::move(optimized);
    }
  }
  run_passes(cfg, max_packet_offset);
  ebpf::Assembly code = emit_ebpf(cfg, options);
  if (code.size() > ebpf::kMaxInsns) {
    return fail(
        Errc::Unsupported,
        fmt::format("compile filter: {} classic instructions became {} eBPF instructions, the "
                    "kernel takes at most {} in a program",
                    filter.insns().size(), code.size(), ebpf::kMaxInsns));
  }
  return code;
}

}  // namespace cbpfc
