// SPDX-License-Identifier: BSD-3-Clause

#include <fmt/format.h>

#include "prove/prove.h"

namespace cbpfc::prove {
namespace {

constexpr std::uint32_t kScratchBytes = 4 * kScratchSlots;
constexpr std::uint32_t kProbeBytes = 8;

Writable writable(const EbpfOptions& options) {
  Writable may{.registers = {options.working.begin(), options.working.end()}};
  may.registers.insert(may.registers.end(), options.spare.begin(), options.spare.end());
  may.registers.push_back(options.result);
  const bool probe = options.access == PacketAccess::Probe;
  if (probe || options.ancillary.helpers) {
    for (int i = 0; i <= 5; ++i) {
      may.registers.push_back(static_cast<ebpf::Reg>(i));
    }
  }
  may.stack_from_bytes = options.stack_offset_bytes;
  may.stack_to_bytes = options.stack_offset_bytes + kScratchBytes + (probe ? kProbeBytes : 0);
  return may;
}

}  // namespace

std::string check(Prover& prover, const Filter& filter, const EbpfOptions& options,
                  const Limits& limits) {
  auto code = compile_ebpf(filter, options);
  if (!code) {
    return code.error().message;
  }
  const bool labels = !options.match_label.empty();
  if (labels) {
    code->label(options.match_label);
    code->add(ebpf::exit_insn());
    code->label(options.no_match_label);
  } else {
    code->label(options.result_label);
  }
  const auto insns = code->assemble();
  if (!insns) {
    return insns.error().message;
  }
  Claim claim{.programs = {filter.encode()},
              .insns = *insns,
              .entry = ebpf::entry_state(options, 0),
              .result = options.result,
              .writable = writable(options)};
  if (labels) {
    claim.meaning = Meaning::Match;
    claim.labels = Labels{.match = insns->size() - 1, .no_match = insns->size()};
  }
  std::string failure = print(prover.prove(claim, limits));
  return failure.empty() ? failure : failure + "\n" + ebpf::print(*insns);
}

std::string check(const Filter& filter, const EbpfOptions& options, const Limits& limits) {
  Prover prover;
  return check(prover, filter, options, limits);
}

}  // namespace cbpfc::prove
