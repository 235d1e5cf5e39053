// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/time.h"

#include <cbpfc/inspect.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "cbpfc/command/explain.h"
#include "verify/check/cost.h"
#include "verify/check/engine.h"
#include "verify/check/match.h"
#include "verify/check/programs.h"
#include "verify/check/samples.h"

namespace check {

using cbpfc::EbpfOptions;
using cbpfc::GraphView;
using cbpfc::Result;

namespace {

constexpr std::string_view kNone = "-";

std::string format_figure(const std::optional<double>& figure, int digits) {
  return figure ? fmt::format("{:.{}f}", *figure, digits) : std::string(kNone);
}

/// The instructions executed by what each phase leaves; nothing of a set.
Result<std::string> describe_phases(const Subject& subject, const EbpfOptions& options,
                                    const Samples& samples) {
  if (subject.is_set) {
    return std::string();
  }
  std::string text =
      fmt::format("{:<32} {:>9} {:>10} {:>7}\n", "Executed after", "instructions", "match", "miss");
  for (const GraphView& view :
       TRY(cbpfc::inspect_phases(subject.sources.front().filter, options))) {
    const std::vector<cbpfc::ebpf::Insn> code = command::code_of(view, options);
    const PerKind executed = code.empty() ? PerKind() : count_executed(code, options, samples);
    fmt::format_to(std::back_inserter(text), "  {:<30} {:>9} {:>10} {:>7}\n", view.phase,
                   code.empty() ? std::string(kNone) : std::to_string(code.size()),
                   format_figure(executed.match, 1), format_figure(executed.miss, 1));
  }
  return text + "\n";
}

std::string format_ratio(const std::optional<double>& plain,
                         const std::optional<double>& optimised) {
  if (!plain || !optimised || *plain <= 0) {
    return std::string(kNone);
  }
  const double ratio = *optimised / *plain;
  return ratio < 0.1 ? fmt::format("{:.2g}", ratio) : fmt::format("{:.2f}", ratio);
}

std::string row(std::string_view name, const std::optional<double>& plain,
                const std::optional<double>& optimised, int digits) {
  return fmt::format("  {:<30} {:>9} {:>10} {:>7}\n", name, format_figure(plain, digits),
                     format_figure(optimised, digits), format_ratio(plain, optimised));
}

std::string describe_code(const CodeFigures& plain, const CodeFigures& optimised,
                          const Samples& samples, bool with_kernel) {
  const auto number = [](const std::optional<std::size_t>& value) {
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
  };
  std::string text =
      fmt::format("{:<32} {:>9} {:>10} {:>7}\n", "eBPF code", "plain", "optimised", "ratio");
  text += row("instructions", number(plain.emitted_insns), number(optimised.emitted_insns), 0);
  text += row("executed, match", plain.executed_insns.match, optimised.executed_insns.match, 1);
  text += row("executed, miss", plain.executed_insns.miss, optimised.executed_insns.miss, 1);
  if (with_kernel) {
    text += row("looked at by the verifier", number(plain.verified_insns),
                number(optimised.verified_insns), 0);
    text += row("bytes of machine code", number(plain.machine_code_bytes),
                number(optimised.machine_code_bytes), 0);
    text += row("nanoseconds, match", plain.ns.match, optimised.ns.match, 2);
    text += row("nanoseconds, miss", plain.ns.miss, optimised.ns.miss, 2);
  }
  return text + fmt::format("  packets: {}\n", samples.origin);
}

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? fmt::format("{} {}", name.sysname, name.release) : "the kernel";
}

std::string describe_verdict(const CodeFigures& plain, const CodeFigures& optimised,
                             bool with_kernel) {
  if (!with_kernel) {
    return "\nVerifier and time\n"
           "  not asked and not measured: loading programs takes root (CAP_BPF,\n"
           "  CAP_NET_ADMIN, CAP_PERFMON)\n";
  }
  const auto verdict = [](const CodeFigures& figures) {
    return figures.refusal.empty() ? "accepted" : "refused: " + figures.refusal;
  };
  return fmt::format("\nVerifier, {}\n  plain      {}\n  optimised  {}\n", kernel_release(),
                     verdict(plain), verdict(optimised));
}

}  // namespace

Result<Outcome> time_filter(const Options& options) {
  std::optional<CaptureReader> file;
  command::InputOptions input = options.input;
  if (options.capture_file) {
    file.emplace(TRY(CaptureReader::open(*options.capture_file)));
    input = TRY(input_for(options, file->kind(0)));
  }
  const Subject subject = TRY(command::read_subject(input));
  EbpfOptions code = options.code.ebpf;
  code.optimize = true;
  const Samples samples =
      file ? TRY(take_samples(*file, subject, code)) : TRY(make_up_samples(subject, code));
  std::string text = subject.describe() + "\n\n";
  text += TRY(describe_phases(subject, own_options(code), samples));
  const bool with_kernel = may_use_kernel();
  const CodeFigures optimised = TRY(measure(subject, code, samples, with_kernel));
  code.optimize = false;
  const CodeFigures plain = TRY(measure(subject, code, samples, with_kernel));
  text += describe_code(plain, optimised, samples, with_kernel);
  return Outcome{.text = text + describe_verdict(plain, optimised, with_kernel)};
}

}  // namespace check
