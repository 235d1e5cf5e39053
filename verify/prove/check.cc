// SPDX-License-Identifier: BSD-3-Clause

#include <algorithm>

#include "verify/prove/prove.h"

namespace cbpfc::prove {
namespace {

constexpr std::uint32_t kScratchBytes = 4 * kScratchSlots;
constexpr std::uint32_t kProbeBytes = 8;

}  // namespace

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

Limits within(const EbpfOptions& options, Limits limits) {
  if (options.access == PacketAccess::Buffer) {
    limits.max_packet_bytes = std::min(limits.max_packet_bytes, options.buffer_size_bytes);
  }
  limits.max_packet_bytes =
      std::min(limits.max_packet_bytes, kMaxPacketOffset - options.packet_start_offset_bytes);
  return limits;
}

namespace {

/// Proves a fragment that was compiled with `options`; `claim` has programs and meaning.
std::string prove_compiled(Prover& prover, Result<ebpf::Assembly> code, Claim claim,
                           const EbpfOptions& options, const Limits& limits) {
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
  if (labels) {
    claim.meaning = Meaning::Match;
    claim.labels = Labels{.match = insns->size() - 1, .no_match = insns->size()};
  }
  claim.insns = *insns;
  claim.entry = ebpf::entry_state(options, 0);
  claim.result = options.result;
  claim.writable = writable(options);
  std::string failure = print(prover.prove(claim, within(options, limits)));
  return failure.empty() ? failure : failure + "\n" + ebpf::print(*insns);
}

}  // namespace

std::string check(Prover& prover, const Filter& filter, const EbpfOptions& options,
                  const Limits& limits) {
  return prove_compiled(prover, compile_ebpf(filter, options), {.programs = {filter.encode()}},
                        options, limits);
}

std::string check(const Filter& filter, const EbpfOptions& options, const Limits& limits) {
  Prover prover;
  return check(prover, filter, options, limits);
}

std::string check_set(Prover& prover, std::span<const Filter> filters, const EbpfOptions& options,
                      const Limits& limits) {
  Claim claim{.meaning = Meaning::FirstMatch};
  for (const Filter& filter : filters) {
    claim.programs.push_back(filter.encode());
  }
  return prove_compiled(prover, compile_ebpf_set(filters, options), std::move(claim), options,
                        limits);
}

}  // namespace cbpfc::prove
