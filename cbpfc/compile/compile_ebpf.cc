// SPDX-License-Identifier: BSD-3-Clause
//
// The compiler from end to end.
//
// Filter to blocks (cfg.h), to decision graph (optimizer/), to instructions.
//
// Tested by: compile_ebpf_test.cc, compile_set_test.cc.

#include <cbpfc/compile.h>
#include <fmt/core.h>

#include "cbpfc/classic/cfg.h"
#include "cbpfc/compile/optimize.h"
#include "cbpfc/graph/ebpf_options.h"

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

Result<ebpf::Assembly> compile_ebpf(const Filter& filter, const EbpfOptions& options) {
  TRY(check_options(options));
  const Cfg cfg = TRY(build_cfg(filter, max_packet_offset(options), options.ancillary)
                          .with_context("compile filter"));
  auto code = TRY(optimizer::compile_graph({&cfg, 1}, false, options));
  return check_size(with_both_labels(std::move(code), options), filter.insns().size());
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
  return check_size(TRY(optimizer::compile_graph(cfgs, true, options)), classic_insns);
}

}  // namespace cbpfc
