// SPDX-License-Identifier: BSD-3-Clause

#include "tools/cbpfc_input.h"

#include <cbpfc/text.h>
#include <fmt/format.h>

#include "tools/filter_text.h"

namespace command {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Filter;
using cbpfc::RawInsn;
using cbpfc::Result;

namespace {

/// libpcap's optimiser takes tenths of a second for programs of this length, and the square of that
/// for longer ones.  Source: measured, libpcap 1.10.3, lists of hosts and of ports.
constexpr std::size_t kMostForLibpcapOptimizer = 4096;

struct CompiledExpression {
  std::vector<RawInsn> program;
  bool is_optimized = false;
};

Result<CompiledExpression> compile_expression(std::string_view expression, int dlt,
                                              const InputOptions& input) {
  const auto compile = [&](bool optimize, bool for_compiler) {
    return cbpfc::compile_expression(
        expression,
        {.dlt = dlt, .source = input.source, .optimize = optimize, .for_compiler = for_compiler});
  };
  if (input.libpcap_optimizer == LibpcapOptimizer::On) {
    return CompiledExpression{.program = TRY(compile(true, false)), .is_optimized = true};
  }
  std::vector<RawInsn> plain = TRY(compile(false, true));
  if (input.libpcap_optimizer == LibpcapOptimizer::Off || plain.size() > kMostForLibpcapOptimizer) {
    return CompiledExpression{.program = std::move(plain)};
  }
  Result<std::vector<RawInsn>> optimized = compile(true, input.for_compiler);
  // The optimiser refuses filters that it finds to match nothing; here those are filters, too.
  if (!optimized || *optimized == plain) {
    return CompiledExpression{.program = std::move(plain)};
  }
  return CompiledExpression{.program = std::move(*optimized), .is_optimized = true};
}

Result<Subject> read_set(const InputOptions& input, const cbpfc::LinkType& link_type) {
  const std::string& path = *input.set_file;
  const std::string text = TRY(read_input(path));
  Subject subject{.sources = {}, .is_set = true};
  std::string_view rest = text;
  for (int line = 1; !rest.empty(); ++line) {
    const std::string filter = without_comments(take_line(rest));
    if (!filter.empty()) {
      subject.sources.push_back(
          TRY(compile_source(filter, link_type, input)
                  .with_context(fmt::format("{}, line {}", input_name(path), line))));
    }
  }
  if (subject.sources.empty()) {
    return fail(Errc::InvalidArgument,
                fmt::format("read {}: no filter in it, one a line is wanted", input_name(path)));
  }
  return subject;
}

}  // namespace

std::vector<Filter> Subject::filters() const {
  std::vector<Filter> all;
  all.reserve(sources.size());
  for (const Source& source : sources) {
    all.push_back(source.filter);
  }
  return all;
}

std::string Subject::describe() const {
  return is_set ? fmt::format("set of {} filters", sources.size()) : sources.front().text;
}

Result<Source> compile_source(std::string_view text, const cbpfc::LinkType& link_type,
                              const InputOptions& input) {
  if (!cbpfc::looks_like_program(text)) {
    CompiledExpression compiled = TRY(compile_expression(text, link_type.dlt, input));
    Filter filter = TRY(Filter::decode(compiled.program, cbpfc::Accept::Compiler)
                            .with_context("the program libpcap makes of the expression"));
    return Source{.text = std::string(text),
                  .program = std::move(compiled.program),
                  .filter = std::move(filter),
                  .is_optimized_by_libpcap = compiled.is_optimized};
  }
  std::vector<RawInsn> program = TRY(cbpfc::parse_program(text));
  Filter filter = TRY(Filter::decode(program, cbpfc::Accept::Compiler).with_context("program"));
  std::string description =
      fmt::format("program of {} instruction{}", program.size(), program.size() == 1 ? "" : "s");
  return Source{
      .text = std::move(description), .program = std::move(program), .filter = std::move(filter)};
}

Result<Subject> read_subject(const InputOptions& input, const cbpfc::LinkType& link_type) {
  if (input.set_file) {
    return read_set(input, link_type);
  }
  Subject subject;
  if (input.text) {
    subject.sources.push_back(TRY(compile_source(*input.text, link_type, input)));
    return subject;
  }
  const std::string path = input.file.value_or("-");
  const std::string text = without_comments(TRY(read_input(path)));
  if (text.empty()) {
    return fail(Errc::InvalidArgument,
                fmt::format("read {}: no filter in it; the filter that matches everything is ''",
                            input_name(path)));
  }
  subject.sources.push_back(
      TRY(compile_source(text, link_type, input).with_context(input_name(path))));
  return subject;
}

}  // namespace command
