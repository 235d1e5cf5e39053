// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/cost.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "verify/check/programs.h"
#include "verify/interpreter/ebpf_interpret.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/kernel/test_run.h"

namespace check {

namespace ebpf = cbpfc::ebpf;

using cbpfc::EbpfOptions;
using cbpfc::Result;
using xdpcap::UniqueFd;

namespace {

/// So many copies that a program takes well over the nanosecond the kernel counts in.
constexpr std::size_t kMostCopies = 64;
constexpr std::size_t kMostInsns = 8192;
/// A measurement takes about this long, and repeats a program at most so often.
constexpr double kMeasurementNs = 4e6;
constexpr std::uint32_t kMostRepeats = 50'000;
constexpr std::uint32_t kFewRepeats = 100;
constexpr int kRounds = 5;
/// Packets of a kind that are timed; each takes a fifth of a second.
constexpr std::size_t kMostTimed = 4;

std::optional<double> mean_executed(std::span<const ebpf::Insn> fragment,
                                    const EbpfOptions& options,
                                    const std::vector<Sample>& samples) {
  double sum = 0;
  for (const Sample& sample : samples) {
    const auto run = ebpf::interpret(fragment, sample.bytes,
                                     ebpf::entry_state(options, sample.wire_length_bytes));
    if (!run) {
      return std::nullopt;
    }
    sum += static_cast<double>(run->insns);
  }
  return samples.empty() ? std::nullopt : std::optional(sum / static_cast<double>(samples.size()));
}

/// The programs of which the difference is the fragments' time.
struct Timed {
  UniqueFd many;
  UniqueFd none;
  int copies = 1;
};

Result<Timed> load_timed(const Subject& subject, const EbpfOptions& options,
                         std::size_t fragment_insns) {
  Timed timed;
  timed.copies = static_cast<int>(std::clamp(kMostInsns / std::max<std::size_t>(fragment_insns, 1),
                                             std::size_t{1}, kMostCopies));
  const std::vector<ebpf::Insn> many = TRY(make_repeating_program(subject, options, timed.copies));
  const std::vector<ebpf::Insn> none = TRY(make_repeating_program(subject, options, 0));
  timed.many = TRY(xdpcap::load_xdp_program({.name = "cbpfc_many", .insns = many}));
  timed.none = TRY(xdpcap::load_xdp_program({.name = "cbpfc_none", .insns = none}));
  return timed;
}

/// The least time of a program over a packet: whatever disturbs it adds to it.
Result<double> least_ns(const Timed& timed, const Sample& sample) {
  const auto time = [&](const UniqueFd& program, std::uint32_t repeat) -> Result<double> {
    const xdpcap::TestRun run = TRY(xdpcap::test_run(program.get(), sample.bytes, repeat));
    return static_cast<double>(run.each.count());
  };
  double many = TRY(time(timed.many, kFewRepeats));
  double none = std::numeric_limits<double>::infinity();
  const double fitting = kMeasurementNs / std::max(many, 1.0);
  const std::uint32_t repeat = fitting > kMostRepeats
                                   ? kMostRepeats
                                   : std::max(kFewRepeats, static_cast<std::uint32_t>(fitting));
  for (int round = 0; round < kRounds; ++round) {
    many = std::min(many, TRY(time(timed.many, repeat)));
    none = std::min(none, TRY(time(timed.none, repeat)));
  }
  return std::max(0.0, many - none) / timed.copies;
}

std::optional<double> mean_ns(const Timed& timed, const std::vector<Sample>& samples,
                              std::size_t longest_bytes) {
  double sum = 0;
  std::size_t count = 0;
  for (const Sample& sample : samples) {
    const bool fits =
        sample.bytes.size() >= xdpcap::kLeastTestRunBytes && sample.bytes.size() <= longest_bytes;
    if (!fits || count == kMostTimed) {
      continue;
    }
    const Result<double> ns = least_ns(timed, sample);
    if (!ns) {
      return std::nullopt;
    }
    sum += *ns;
    ++count;
  }
  return count == 0 ? std::nullopt : std::optional(sum / static_cast<double>(count));
}

/// What the kernel says and how fast it is.
Result<void> measure_in_kernel(const Subject& subject, const EbpfOptions& options,
                               const Samples& samples, CodeFigures& figures) {
  const std::vector<ebpf::Insn> program = TRY(make_value_program(subject, options));
  const UniqueFd loaded = TRY(xdpcap::load_xdp_program({.name = "cbpfc_time", .insns = program}));
  const xdpcap::ProgramFacts facts = TRY(xdpcap::program_facts(loaded.get()));
  figures.verified_insns = facts.verified_insns;
  figures.machine_code_bytes = facts.machine_code_bytes;
  const std::size_t longest_bytes = TRY(xdpcap::longest_linear_test_packet());
  if (const Result<Timed> timed = load_timed(subject, options, figures.emitted_insns)) {
    figures.ns = {.match = mean_ns(*timed, samples.matching, longest_bytes),
                  .miss = mean_ns(*timed, samples.missing, longest_bytes)};
  }
  return {};
}

}  // namespace

PerKind count_executed(std::span<const ebpf::Insn> fragment, const EbpfOptions& options,
                       const Samples& samples) {
  return {.match = mean_executed(fragment, options, samples.matching),
          .miss = mean_executed(fragment, options, samples.missing)};
}

Result<CodeFigures> measure(const Subject& subject, const EbpfOptions& options,
                            const Samples& samples, bool with_kernel) {
  const EbpfOptions fragment_options = own_options(options);
  const Fragment fragment = TRY(make_fragment(subject, fragment_options, false));
  CodeFigures figures{.emitted_insns = fragment.insns.size(),
                      .executed_insns = count_executed(fragment.insns, fragment_options, samples),
                      .refusal = {},
                      .verified_insns = std::nullopt,
                      .machine_code_bytes = std::nullopt,
                      .ns = {}};
  if (!with_kernel) {
    return figures;
  }
  if (const Result<void> measured = measure_in_kernel(subject, options, samples, figures);
      !measured) {
    figures.refusal = measured.error().message;
  }
  return figures;
}

}  // namespace check
