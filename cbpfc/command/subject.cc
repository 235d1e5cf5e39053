// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/subject.h"

#include <cbpfc/text.h>
#include <fmt/format.h>

#include "base/text.h"
#include "cbpfc/input/filter_text.h"

namespace command {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Filter;
using cbpfc::RawInsn;
using cbpfc::Result;

namespace {

Result<Subject> read_set(const InputOptions& input, const cbpfc::LinkType& link_type) {
  const std::string& path = *input.set_file;
  const std::string text = input.content ? *input.content : TRY(read_input(path));
  Subject subject{.sources = {}, .is_set = true};
  std::string_view rest = text;
  for (int line = 1; !rest.empty(); ++line) {
    const std::string filter = without_comments(take_line(rest));
    if (!filter.empty()) {
      subject.sources.push_back(
          TRY(compile_source(filter, link_type, input.source, true)
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
                              cbpfc::PacketSource source, bool may_match_nothing) {
  if (!cbpfc::looks_like_program(text)) {
    std::vector<RawInsn> program = TRY(cbpfc::compile_expression(
        text, {.dlt = link_type.dlt, .source = source, .may_match_nothing = may_match_nothing}));
    Filter filter = TRY(Filter::decode(program, cbpfc::Accept::Compiler)
                            .with_context("the program libpcap makes of the expression"));
    return Source{
        .text = std::string(text), .program = std::move(program), .filter = std::move(filter)};
  }
  std::vector<RawInsn> program = TRY(cbpfc::parse_program(text));
  Filter filter = TRY(Filter::decode(program, cbpfc::Accept::Compiler).with_context("program"));
  std::string description = "program of " + xdpcap::counted(program.size(), "instruction");
  return Source{
      .text = std::move(description), .program = std::move(program), .filter = std::move(filter)};
}

Result<void> read_content(InputOptions& input) {
  if (input.set_file || !input.text) {
    input.content = TRY(read_input(input.set_file ? *input.set_file : input.file.value_or("-")));
  }
  return {};
}

Result<Subject> read_subject(const InputOptions& input) {
  const cbpfc::LinkType link_type = input.link_type.value_or(cbpfc::LinkType{});
  if (input.set_file) {
    return read_set(input, link_type);
  }
  Subject subject;
  if (input.text) {
    subject.sources.push_back(TRY(compile_source(*input.text, link_type, input.source)));
    return subject;
  }
  const std::string path = input.file.value_or("-");
  const std::string text = without_comments(input.content ? *input.content : TRY(read_input(path)));
  if (text.empty()) {
    return fail(Errc::InvalidArgument,
                fmt::format("read {}: no filter in it; the filter that matches everything is ''",
                            input_name(path)));
  }
  subject.sources.push_back(
      TRY(compile_source(text, link_type, input.source).with_context(input_name(path))));
  return subject;
}

}  // namespace command
