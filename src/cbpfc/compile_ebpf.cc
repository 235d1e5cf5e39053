// SPDX-License-Identifier: BSD-3-Clause
//
// The compiler from end to end.
//
// The optimiser (optimizer/) has the first try.  What it does not express, loops and filters whose paths
// disagree on many values, and what it does not emit yet, other accesses than direct ones, is compiled by
// the plain code (passes.h, emit_ebpf.h), an instruction at a time.
//
// Tested by: compile_ebpf_test.cc, compile_set_test.cc.

#include <cbpfc/compile.h>
#include <fmt/format.h>

#include <algorithm>

#include "ancillary.h"
#include "block_order.h"
#include "cfg.h"
#include "ebpf_options.h"
#include "emit_ebpf.h"
#include "optimizer/optimize.h"
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

Result<ebpf::Assembly> compile_plain(Cfg cfg, const EbpfOptions& options) {
  TRY(run_passes(
          cfg, max_packet_offset(options),
          options.access == PacketAccess::Probe ? IndirectLoads::Checked : IndirectLoads::FromBase,
          options.optimize ? Guards::Shared : Guards::Each)
          .with_context("compile filter"));
  if (has_downward_edges(cfg)) {
    TRY(check_counter_room(options));
  }
  return with_both_labels(emit_ebpf(cfg, options), options);
}

/// A set without the optimiser: one fragment behind the other.
Result<ebpf::Assembly> compile_plain_set(const std::vector<Cfg>& cfgs, const EbpfOptions& options) {
  ebpf::Assembly code;
  for (std::size_t i = 0; i < cfgs.size(); ++i) {
    EbpfOptions one = options;
    one.label_prefix = fmt::format("{}_{}", options.label_prefix, i);
    one.match_label = fmt::format("{}_match{}", options.label_prefix, i);
    one.no_match_label = fmt::format("{}_next{}", options.label_prefix, i);
    code.append(TRY(compile_plain(cfgs[i], one)
                        .with_context(fmt::format("compile filter {} of the set", i + 1))));
    code.label(one.match_label);
    code.add(ebpf::mov32(options.result, static_cast<std::uint32_t>(i + 1)));
    code.jump(options.result_label);
    code.label(one.no_match_label);
  }
  code.add(ebpf::mov32(options.result, 0U));
  code.jump(options.result_label);
  return code;
}

Result<ebpf::Assembly> check_size(ebpf::Assembly code, std::size_t classic_insns) {
  if (code.size() > ebpf::kMaxInsns) {
    return fail(
        Errc::TooLarge,
        fmt::format("compile filter: {} classic instructions became {} eBPF instructions, the "
                    "kernel takes at most {} in a program; {}",
                    classic_insns, code.size(), ebpf::kMaxInsns, ebpf::kHowToShorten));
  }
  return code;
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
  Cfg cfg = TRY(build_cfg(filter, max_packet_offset(options), options.ancillary)
                    .with_context("compile filter"));
  if (options.optimize && !has_downward_edges(cfg)) {
    Cfg straight = cfg;
    simplify_jumps(straight);
    if (auto code = optimizer::compile_optimized({&straight, 1}, false, options)) {
      return check_size(with_both_labels(*std::move(code), options), filter.insns().size());
    }
  }
  return check_size(TRY(compile_plain(std::move(cfg), options)), filter.insns().size());
}

Result<ebpf::Assembly> compile_ebpf_set(std::span<const Filter> filters,
                                        const EbpfOptions& options) {
  TRY(check_options(options));
  if (filters.empty()) {
    return fail(Errc::InvalidArgument, "compile filter set: there is no filter in it");
  }
  if (!options.match_label.empty()) {
    return fail_option(Errc::InvalidArgument, "match_label",
                       "compile filter set: a set gives a number and does not end in labels");
  }
  std::vector<Cfg> cfgs;
  std::size_t classic_insns = 0;
  for (std::size_t i = 0; i < filters.size(); ++i) {
    cfgs.push_back(TRY(build_cfg(filters[i], max_packet_offset(options), options.ancillary)
                           .with_context(fmt::format("compile filter {} of the set", i + 1))));
    classic_insns += filters[i].insns().size();
  }
  if (options.optimize && std::ranges::none_of(cfgs, has_downward_edges)) {
    std::vector<Cfg> straight = cfgs;
    std::ranges::for_each(straight, simplify_jumps);
    if (auto code = optimizer::compile_optimized(straight, true, options)) {
      return check_size(*std::move(code), classic_insns);
    }
  }
  return check_size(TRY(compile_plain_set(cfgs, options)), classic_insns);
}

}  // namespace cbpfc
