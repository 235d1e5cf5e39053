// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/configuration.h"

#include <fmt/format.h>

#include <algorithm>

#include "cbpfc/emit/ebpf_opcodes.h"

namespace differential {
namespace {

using cbpfc::ebpf::Insn;
using cbpfc::ebpf::Reg;
namespace opcode = cbpfc::ebpf::opcode;

bool calls_helpers(const cbpfc::EbpfOptions& options) {
  return options.access == cbpfc::PacketAccess::Probe;
}

/// Whether the fragment may write a register.
bool is_given(int number, const cbpfc::EbpfOptions& options) {
  const auto reg = static_cast<Reg>(number);
  return reg == options.result || (calls_helpers(options) && number <= 5) ||
         std::ranges::find(options.working, reg) != options.working.end() ||
         std::ranges::find(options.spare, reg) != options.spare.end();
}

bool writes_destination(const Insn& insn) {
  const int kind = insn.opcode & opcode::kClassMask;
  return kind == opcode::kLd || kind == opcode::kLdx || kind == opcode::kAlu32 ||
         kind == opcode::kAlu64;
}

bool is_store(const Insn& insn) {
  const int kind = insn.opcode & opcode::kClassMask;
  return kind == opcode::kSt || kind == opcode::kStx;
}

std::string promise_broken_by(const Insn& insn, const cbpfc::EbpfOptions& options) {
  const int destination = insn.registers & 0xf;
  if (writes_destination(insn) && !is_given(destination, options)) {
    return fmt::format("writes R{}, which it was not given", destination);
  }
  if (is_store(insn)) {
    const int top = -static_cast<int>(options.stack_offset_bytes);
    const int bottom = top - 4 * cbpfc::kScratchSlots - 16;  // a probe, a counter
    if (destination != 10 || insn.offset < bottom || insn.offset >= top) {
      return fmt::format("writes at R{}{:+}, which it was not given", destination, insn.offset);
    }
  }
  if (insn.opcode == (opcode::kJmp | opcode::kCall) && !calls_helpers(options)) {
    return fmt::format("calls helper {}", insn.immediate);
  }
  return {};
}

cbpfc::EbpfOptions options_for(std::span<const cbpfc::Filter> filters,
                               const Configuration& configuration,
                               std::uint32_t packet_start_offset_bytes) {
  cbpfc::EbpfOptions options = configuration.options;
  options.packet_start_offset_bytes = packet_start_offset_bytes;
  if (options.access == cbpfc::PacketAccess::Direct &&
      std::ranges::any_of(filters, cbpfc::reads_length)) {
    options.packet_length = configuration.length;
  }
  return options;
}

}  // namespace

std::vector<Configuration> configurations() {
  cbpfc::EbpfOptions plain;
  plain.optimize = false;
  const cbpfc::EbpfOptions optimised;
  cbpfc::EbpfOptions roomy;
  roomy.packet_start = Reg::R1;
  roomy.packet_end = Reg::R7;
  roomy.result = Reg::R1;  // the packet's start is needed no more then
  roomy.working = {Reg::R2, Reg::R3, Reg::R4, Reg::R5};
  roomy.spare = {Reg::R0, Reg::R6, Reg::R9};
  roomy.result_label = "done";
  roomy.label_prefix = "f";
  roomy.stack_offset_bytes = 24;
  cbpfc::EbpfOptions jumping;
  jumping.spare = {Reg::R0, Reg::R9};
  jumping.match_label = "match";
  jumping.no_match_label = "no_match";
  return {{.name = "plain", .options = plain},
          {.name = "optimised", .options = optimised},
          {.name = "optimised, more registers", .options = roomy},
          {.name = "optimised, jumps on a match", .options = jumping}};
}

Configuration configuration(std::string_view name) {
  std::vector<Configuration> all = configurations();
  const auto found = std::ranges::find(all, name, &Configuration::name);
  if (found == all.end()) {
    std::abort();
  }
  return *std::move(found);
}

std::vector<Configuration> other_configurations() {
  constexpr std::uint32_t kBufferBytes = 65535;
  cbpfc::EbpfOptions buffer;
  buffer.access = cbpfc::PacketAccess::Buffer;
  buffer.buffer_size_bytes = kBufferBytes;
  cbpfc::EbpfOptions probe;
  probe.access = cbpfc::PacketAccess::Probe;
  probe.packet_start = Reg::R6;
  probe.packet_end = Reg::R7;
  probe.working = {Reg::R8, Reg::R9, Reg::R1, Reg::R2};
  probe.result = Reg::R0;
  return {{.name = "buffer", .options = buffer}, {.name = "probe", .options = probe}};
}

cbpfc::Result<Fragment> compile_fragment(const cbpfc::Filter& filter,
                                         const Configuration& configuration,
                                         std::uint32_t packet_start_offset_bytes) {
  Fragment fragment{.code = {},
                    .options = options_for({&filter, 1}, configuration, packet_start_offset_bytes)};
  fragment.code = TRY(cbpfc::compile_ebpf(filter, fragment.options));
  if (configuration.is_match_only()) {
    fragment.code.label(fragment.options.match_label);
    fragment.code.add(cbpfc::ebpf::mov32(fragment.options.result, 1U));
    fragment.code.jump(fragment.options.result_label);
    fragment.code.label(fragment.options.no_match_label);
    fragment.code.add(cbpfc::ebpf::mov32(fragment.options.result, 0U));
  }
  fragment.code.label(fragment.options.result_label);
  return fragment;
}

cbpfc::Result<Fragment> compile_set_fragment(std::span<const cbpfc::Filter> filters,
                                             const Configuration& configuration,
                                             std::uint32_t packet_start_offset_bytes) {
  Fragment fragment{.code = {},
                    .options = options_for(filters, configuration, packet_start_offset_bytes)};
  fragment.code = TRY(cbpfc::compile_ebpf_set(filters, fragment.options));
  fragment.code.label(fragment.options.result_label);
  return fragment;
}

std::string broken_promise(const std::vector<Insn>& insns, const cbpfc::EbpfOptions& options) {
  for (std::size_t n = 0; n < insns.size(); ++n) {
    const std::string broken = promise_broken_by(insns[n], options);
    if (!broken.empty()) {
      return fmt::format("instruction {}: {}", n, broken);
    }
    n += insns[n].opcode == opcode::kLoadImm64 ? 1U : 0U;
  }
  return {};
}

}  // namespace differential
