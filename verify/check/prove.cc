// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/prove.h"

#include <fmt/format.h>

#include <chrono>
#include <iterator>

#include "base/report.h"

namespace check {

namespace prove = cbpfc::prove;

using cbpfc::Result;

namespace {

/// Sixteen bytes a line, with their offset.
std::string hex_dump(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kBytesALine = 16;
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % kBytesALine == 0) {
      fmt::format_to(std::back_inserter(text), "{}  {:04x}:", i == 0 ? "" : "\n", i);
    }
    fmt::format_to(std::back_inserter(text), " {:02x}", bytes[i]);
  }
  return text + "\n";
}

prove::Claim make_claim(const Subject& subject, const Options& options, const Fragment& fragment,
                        std::span<const cbpfc::ebpf::Insn> insns) {
  prove::Claim claim{.insns = insns,
                     .entry = cbpfc::ebpf::entry_state(options.code.ebpf, 0),
                     .result = options.code.ebpf.result,
                     .writable = prove::writable(options.code.ebpf)};
  for (const Source& source : subject.sources) {
    claim.programs.push_back(source.filter.encode());
  }
  if (subject.is_set) {
    claim.meaning = prove::Meaning::FirstMatch;
  }
  if (fragment.branches) {
    claim.meaning = prove::Meaning::Match;
    claim.labels = prove::Labels{.match = insns.size() - 1, .no_match = insns.size()};
  }
  return claim;
}

std::string describe_counterexample(const prove::Proof& proof) {
  const prove::Counterexample& found = *proof.counterexample;
  const std::string wire = found.wire_length_bytes == found.packet.size()
                               ? ""
                               : fmt::format(" ({} on the wire)", found.wire_length_bytes);
  return fmt::format(
      "not equal\n{}, for this packet of {} bytes{}:\n{}classic program: {}\neBPF code:       {}\n",
      proof.reason, found.packet.size(), wire, hex_dump(found.packet), found.wanted, found.given);
}

}  // namespace

Outcome report_proof(const prove::Proof& proof, const prove::Limits& limits, std::size_t insns) {
  switch (proof.verdict) {
    case prove::Verdict::Equal:
      return {.text = fmt::format("proven\n{} eBPF instructions give the classic answer for every "
                                  "packet of up to {} bytes; {:.3f} s\n",
                                  insns, limits.max_packet_bytes,
                                  std::chrono::duration<double>(proof.time).count())};
    case prove::Verdict::Different:
    case prove::Verdict::Unsafe:
      return {.text = describe_counterexample(proof), .exit_code = xdpcap::cli::kExitFailure};
    case prove::Verdict::Unknown:
      return {.text = fmt::format(
                  "no answer\n{}; --timeout allows more than {} s\n", proof.reason,
                  std::chrono::duration_cast<std::chrono::seconds>(limits.timeout).count()),
              .exit_code = kExitUnknown};
    case prove::Verdict::Unsupported: break;
  }
  return {.text = fmt::format("no answer\n{}\n", proof.reason), .exit_code = kExitUnknown};
}

Result<Outcome> prove_subject(const Subject& subject, const Options& options) {
  const Fragment fragment =
      TRY(command::make_fragment(subject, options.code.ebpf, options.code.branches));
  std::vector<cbpfc::ebpf::Insn> insns = fragment.insns;
  if (fragment.branches) {
    insns.push_back(cbpfc::ebpf::exit_insn());  // a match ends here, a miss behind it
  }
  const prove::Limits limits =
      prove::within(options.code.ebpf, {.timeout = std::chrono::seconds(options.prove_seconds)});
  return report_proof(prove::prove(make_claim(subject, options, fragment, insns), limits), limits,
                      fragment.insns.size());
}

Result<Outcome> prove_filter(const Options& options) {
  const Subject subject = TRY(command::read_subject(options.input));
  return prove_subject(subject, options);
}

}  // namespace check
