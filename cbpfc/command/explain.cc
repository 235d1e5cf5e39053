// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/explain.h"

#include <cbpfc/text.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "cbpfc/command/target.h"

namespace command {

using cbpfc::EbpfOptions;
using cbpfc::GraphView;
using cbpfc::Result;

namespace {

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

std::string describe_code(std::size_t plain, std::size_t optimised) {
  return fmt::format("\n{:<22} {:>10} {:>10} {:>10}\n  {:<20} {:>10} {:>10} {:>10.2f}\n",
                     "eBPF code", "plain", "optimised", "ratio", "instructions", plain, optimised,
                     static_cast<double>(optimised) / static_cast<double>(plain));
}

}  // namespace

std::vector<cbpfc::ebpf::Insn> code_of(const GraphView& view, const EbpfOptions& options) {
  if (!view.code) {
    return {};
  }
  cbpfc::ebpf::Assembly code = *view.code;
  code.label(options.result_label);
  return code.assemble().value_or(std::vector<cbpfc::ebpf::Insn>{});
}

std::string describe_phases(const std::vector<GraphView>& views, const EbpfOptions& options) {
  std::string text =
      fmt::format("{:<22} {:>10} {:>7} {:>13}\n", "Phases", "decisions", "guards", "instructions");
  for (const GraphView& view : views) {
    const std::size_t insns = code_of(view, options).size();
    fmt::format_to(std::back_inserter(text), "  {:<20} {:>10} {:>7} {:>13}\n", view.phase,
                   view.decisions, view.guards, insns == 0 ? "-" : std::to_string(insns));
  }
  return text;
}

Result<std::string> explain(const Subject& subject, const CodeOptions& code) {
  EbpfOptions options = code.ebpf;
  options.optimize = false;
  const Fragment plain = TRY(make_fragment(subject, options, code.branches));
  options.optimize = true;
  const Fragment optimised = TRY(make_fragment(subject, options, code.branches));
  std::string text = describe_program(subject);
  if (!subject.is_set) {
    const std::vector<GraphView> views =
        TRY(cbpfc::inspect_phases(subject.sources.front().filter, options));
    text += "\n" + describe_phases(views, options) + "\nGraph after the last phase\n" +
            indented(views.back().text);
  }
  return text + describe_code(plain.insns.size(), optimised.insns.size());
}

}  // namespace command
