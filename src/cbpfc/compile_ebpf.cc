// SPDX-License-Identifier: BSD-3-Clause
//
// The compiler from end to end, and the check of what a caller may ask of it.
// Tested by: compile_ebpf_test.cc.

#include <cbpfc/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cfg.h"
#include "emit_ebpf.h"
#include "passes.h"

namespace cbpfc {
namespace {

/// Bytes of stack an eBPF program has.  Source: Linux v6.18 include/linux/filter.h MAX_BPF_STACK.
constexpr std::uint32_t kStackBytes = 512;

std::unexpected<Error> invalid_option(std::string_view option, std::string_view why) {
  return fail(Errc::InvalidArgument, fmt::format("compile filter: option {}: {}", option, why));
}

Result<void> check_registers(const EbpfOptions& options) {
  struct Use {
    std::string_view option;
    ebpf::Reg reg;
  };
  const std::array<Use, 6> uses = {{{"packet_start", options.packet_start},
                                    {"packet_end", options.packet_end},
                                    {"working[0]", options.working[0]},
                                    {"working[1]", options.working[1]},
                                    {"working[2]", options.working[2]},
                                    {"working[3]", options.working[3]}}};
  std::array<std::string_view, 16> used_by = {};
  for (const Use& use : uses) {
    const auto number = static_cast<std::size_t>(use.reg);
    if (number > static_cast<std::size_t>(ebpf::Reg::R9)) {
      return invalid_option(use.option, fmt::format("R{} is not one of R0 to R9", number));
    }
    if (!used_by[number].empty()) {
      return invalid_option(use.option, fmt::format("R{} is already {}", number, used_by[number]));
    }
    used_by[number] = use.option;
  }
  if (options.packet_length) {
    const auto number = static_cast<std::size_t>(*options.packet_length);
    if (number > static_cast<std::size_t>(ebpf::Reg::R9) || !used_by[number].empty()) {
      return invalid_option("packet_length",
                            fmt::format("R{} is {}", number,
                                        number > 9 ? "not one of R0 to R9"
                                                   : fmt::format("already {}", used_by[number])));
    }
  }
  if (options.result > ebpf::Reg::R9) {
    return invalid_option(
        "result", fmt::format("R{} is not one of R0 to R9", static_cast<int>(options.result)));
  }
  return {};
}

Result<void> check_options(const EbpfOptions& options) {
  TRY(check_registers(options));
  if (options.stack_offset_bytes % 4 != 0) {
    return invalid_option("stack_offset_bytes",
                          fmt::format("{} is not a multiple of 4", options.stack_offset_bytes));
  }
  if (options.stack_offset_bytes > kStackBytes - 4 * kScratchSlots) {
    return invalid_option("stack_offset_bytes",
                          fmt::format("{} leaves no room for {} scratch slots in {} bytes of stack",
                                      options.stack_offset_bytes, kScratchSlots, kStackBytes));
  }
  if (options.packet_start_offset_bytes > kMaxPacketOffset) {
    return invalid_option(
        "packet_start_offset_bytes",
        fmt::format("{} is more than {}", options.packet_start_offset_bytes, kMaxPacketOffset));
  }
  if (options.result_label.empty()) {
    return invalid_option("result_label", "it is empty");
  }
  if (options.label_prefix.empty()) {
    return invalid_option("label_prefix", "it is empty");
  }
  if (options.result_label.starts_with(options.label_prefix + "_")) {
    return invalid_option("result_label", fmt::format(R"("{}" may clash with the labels "{}_...")",
                                                      options.result_label, options.label_prefix));
  }
  return {};
}

}  // namespace

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
