// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/cbpfc_explain.h"

#include <cbpfc/inspect.h>
#include <cbpfc/text.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <array>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "cbpfc/command/cbpfc_code.h"
#include "cbpfc/command/cbpfc_input.h"
#include "verify/check/cbpfc_engine.h"
#include "verify/check/cbpfc_match.h"
#include "verify/check/cbpfc_measure.h"
#include "verify/check/cbpfc_samples.h"
#include "verify/check/pcap_file.h"

namespace command {

using cbpfc::EbpfOptions;
using cbpfc::Errc;
using cbpfc::GraphView;
using cbpfc::Result;

namespace {

constexpr std::string_view kNone = "-";

/// The lines of `text`, two columns in.
std::string indented(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    result.append("  ").append(text.substr(0, end)).append("\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string describe_program(const Subject& subject) {
  if (!subject.is_set) {
    const Source& source = subject.sources.front();
    return fmt::format("Filter\n  {}\n\nClassic program, {} instructions\n{}", source.text,
                       source.program.size(),
                       indented(cbpfc::print_program(source.program, cbpfc::TextForm::Listing)));
  }
  std::string text =
      fmt::format("Set of {} filters, with classic instructions\n", subject.sources.size());
  for (std::size_t i = 0; i < subject.sources.size(); ++i) {
    const Source& source = subject.sources[i];
    fmt::format_to(std::back_inserter(text), "  {:4}  {:6}  {}\n", i + 1, source.program.size(),
                   source.text);
  }
  return text;
}

std::string format_figure(const std::optional<double>& figure, int digits) {
  return figure ? fmt::format("{:.{}f}", *figure, digits) : std::string(kNone);
}

/// What a phase changed: "-3", "+2" or nothing.
std::string change(std::size_t before, std::size_t after) {
  return before == after ? ""
                         : fmt::format("{:+}", static_cast<std::int64_t>(after) -
                                                   static_cast<std::int64_t>(before));
}

/// The code of a graph, ready to run; empty where there is none.
std::vector<cbpfc::ebpf::Insn> code_of(const GraphView& view, const EbpfOptions& options) {
  if (!view.code) {
    return {};
  }
  cbpfc::ebpf::Assembly code = *view.code;
  code.label(options.result_label);
  return code.assemble().value_or(std::vector<cbpfc::ebpf::Insn>{});
}

std::string describe_phases(const std::vector<GraphView>& views, const EbpfOptions& options,
                            const Samples& samples) {
  std::string text = fmt::format("{:<22} {:>10} {:>7} {:>13} {:>6} {:>9} {:>8}\n", "Phases",
                                 "decisions", "guards", "instructions", "", "match", "miss");
  std::size_t before = 0;
  for (const GraphView& view : views) {
    const std::vector<cbpfc::ebpf::Insn> code = code_of(view, options);
    const PerKind executed = code.empty() ? PerKind() : count_executed(code, options, samples);
    const std::size_t insns = code.size();
    text +=
        fmt::format("  {:<20} {:>10} {:>7} {:>13} {:>6} {:>9} {:>8}\n", view.phase, view.decisions,
                    view.guards, code.empty() ? std::string(kNone) : std::to_string(insns),
                    before == 0 || insns == 0 ? "" : change(before, insns),
                    format_figure(executed.match, 1), format_figure(executed.miss, 1));
    before = insns;
  }
  return text + "  match, miss: instructions executed on packets of either kind\n" +
         "\nGraph after the last phase\n" + indented(views.back().text);
}

/// The optimiser's part, or why it has none.
Result<std::string> describe_graph(const Subject& subject, const EbpfOptions& options,
                                   const Samples& samples) {
  if (subject.is_set) {
    return std::string();
  }
  const Result<std::vector<GraphView>> views =
      cbpfc::inspect_phases(subject.sources.front().filter, options);
  if (views) {
    return "\n" + describe_phases(*views, options, samples);
  }
  if (views.error().code != Errc::Unsupported) {
    return std::unexpected(views.error());
  }
  return fmt::format("\nNot optimised\n  {}\n", views.error().message);
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
      fmt::format("\n{:<32} {:>9} {:>10} {:>7}\n", "eBPF code", "plain", "optimised", "ratio");
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

Result<std::string> explain(const Options& options) {
  std::optional<PcapReader> file;
  InputOptions input = options.input;
  cbpfc::LinkType link_type = input.link_type.value_or(cbpfc::LinkType{});
  if (options.capture_file) {
    file.emplace(TRY(PcapReader::open(*options.capture_file)));
    link_type = TRY(link_type_for(options, *file));
    input.source = file->source();
  }
  const Subject subject = TRY(read_subject(input, link_type));
  EbpfOptions code = options.ebpf;
  code.optimize = true;
  const Samples samples =
      file ? TRY(take_samples(*file, subject, code)) : TRY(make_up_samples(subject, code));
  std::string text =
      describe_program(subject) + TRY(describe_graph(subject, own_options(code), samples));

  const bool with_kernel = may_use_kernel();
  const CodeFigures optimised = TRY(measure(subject, code, samples, with_kernel));
  code.optimize = false;
  const CodeFigures plain = TRY(measure(subject, code, samples, with_kernel));
  text += describe_code(plain, optimised, samples, with_kernel);
  return text + describe_verdict(plain, optimised, with_kernel);
}

}  // namespace command
