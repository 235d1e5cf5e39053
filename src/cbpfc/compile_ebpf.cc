// SPDX-License-Identifier: BSD-3-Clause
//
// The compiler from end to end.
// Tested by: compile_ebpf_test.cc.

#include <cbpfc/compile.h>
#include <fmt/format.h>

#include <algorithm>

#include "ancillary.h"
#include "block_order.h"
#include "cfg.h"
#include "ebpf_options.h"
#include "emit_ebpf.h"
#include "packet_reader.h"
#include "passes.h"

namespace cbpfc {
namespace {

/// The fragment with a jump to each label of the caller's.  A filter that always or never matches has
/// one of them too few; a jump that is never taken, which the kernel removes, is put in front.
ebpf::Assembly with_both_labels(ebpf::Assembly code, const EbpfOptions& options) {
  ebpf::Assembly whole;
  for (const std::string& label : {options.match_label, options.no_match_label}) {
    if (!label.empty() && !code.jumps_to(label)) {
      whole.add(ebpf::mov32(options.working[0], 0U));
      whole.jump_if32(ebpf::Cmp::NotEqual, options.working[0], 0U, label);
    }
  }
  if (whole.size() == 0) {
    return code;
  }
  whole.append(code);
  return whole;
}

}  // namespace

bool reads_length(const Filter& filter) {
  return std::ranges::any_of(filter.insns(), [](const Insn& insn) {
    const auto* load = std::get_if<LoadAncillary>(&insn);
    return std::holds_alternative<LoadLength>(insn) ||
           (load != nullptr &&
            (load->offset == ancillary::kProtocol || load->offset == ancillary::kPayloadOffset));
  });
}

Result<ebpf::Assembly> compile_ebpf(const Filter& filter, const EbpfOptions& options) {
  TRY(check_options(options));
  const std::uint32_t most = max_packet_offset(options);
  Cfg cfg = TRY(build_cfg(filter, most, options.ancillary).with_context("compile filter"));
  TRY(run_passes(
          cfg, most,
          options.access == PacketAccess::Probe ? IndirectLoads::Checked : IndirectLoads::FromBase)
          .with_context("compile filter"));
  if (has_downward_edges(cfg)) {
    TRY(check_counter_room(options));
  }
  ebpf::Assembly code = with_both_labels(emit_ebpf(cfg, options), options);
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
