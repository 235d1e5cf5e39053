// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/cbpfc_options.h"

#include <gtest/gtest.h>

#include "base/tests/arguments.h"

namespace command {
namespace {

using cbpfc::PacketAccess;
using cbpfc::Result;
using cbpfc::ebpf::Reg;
using xdpcap::test::Arguments;

Result<Options> parse(const std::vector<std::string>& words) {
  Arguments arguments(words);
  return parse_cbpfc_options(arguments.argc(), arguments.argv());
}

TEST(CbpfcOptions, Defaults) {
  const auto options = parse({"ip", "and", "udp"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->request, Request::Compile);
  EXPECT_EQ(options->target, Target::Ebpf);
  EXPECT_EQ(options->input.text, "ip and udp");
  EXPECT_FALSE(options->input.reads_standard_input());
  EXPECT_EQ(options->output, "-");
  EXPECT_EQ(options->function_name, "filter");
  EXPECT_TRUE(options->ebpf.optimize);
  EXPECT_FALSE(options->branches || options->no_inline || options->verbose);
}

TEST(CbpfcOptions, WhereTheFilterIsRead) {
  EXPECT_TRUE(parse({})->input.reads_standard_input());
  EXPECT_TRUE(parse({"-"})->input.reads_standard_input());
  EXPECT_TRUE(parse({"-F", "-"})->input.reads_standard_input());
  EXPECT_TRUE(parse({"--set", "-"})->input.reads_standard_input());
  EXPECT_EQ(parse({"-F", "file"})->input.file, "file");
  EXPECT_EQ(parse({"-f", "file"})->input.file, "file");
  EXPECT_EQ(parse({"-set=rules"})->input.set_file, "rules");
  EXPECT_EQ(parse({""})->input.text, "");  // the filter that matches everything
  EXPECT_EQ(parse({"--", "-1", "=", "ip[0]"})->input.text, "-1 = ip[0]");
}

TEST(CbpfcOptions, MayStandBehindTheExpression) {
  const auto options = parse({"tcp", "port", "80", "--to", "ebpf-hex", "-o", "out"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->target, Target::EbpfHex);
  EXPECT_EQ(options->output, "out");
  EXPECT_EQ(options->input.text, "tcp port 80");
}

TEST(CbpfcOptions, Requests) {
  EXPECT_EQ(parse({"--explain", "ip"})->request, Request::Explain);
  EXPECT_EQ(parse({"--match", "file", "ip"})->request, Request::Match);
  EXPECT_EQ(parse({"--prove", "ip"})->request, Request::Prove);
  EXPECT_EQ(parse({"--passes"})->request, Request::Passes);
  EXPECT_EQ(parse({"--dump-after", "merge", "ip"})->request, Request::DumpAfter);
  EXPECT_EQ(parse({"--help"})->request, Request::Help);
  EXPECT_EQ(parse({"--version"})->request, Request::Version);
  const auto explain = parse({"--explain", "--match", "file", "ip"});
  ASSERT_TRUE(explain);
  EXPECT_EQ(explain->request, Request::Explain);
  EXPECT_EQ(explain->capture_file, "file");
  const auto dump = parse({"--dump-after", "merge", "--to", "dot", "ip"});
  ASSERT_TRUE(dump);
  EXPECT_EQ(dump->request, Request::DumpAfter);
  EXPECT_TRUE(dump->wants_dot);
}

TEST(CbpfcOptions, EverythingOfAFragment) {
  const auto options = parse({"--to",
                              "ebpf-hex",
                              "--packet-start",
                              "R6",
                              "--packet-end",
                              "r7",
                              "--result",
                              "0",
                              "--working",
                              "R0,R1,R8,R5",
                              "--spare",
                              "R2,R3",
                              "--packet-length",
                              "R9",
                              "--branch",
                              "--stack-offset",
                              "16",
                              "--start-offset",
                              "40",
                              "--ancillary",
                              "frame,helpers,context=R4",
                              "--no-optimize",
                              "-y",
                              "RAW",
                              "-o",
                              "out",
                              "ip"});
  ASSERT_TRUE(options) << options.error().message;
  const cbpfc::EbpfOptions& ebpf = options->ebpf;
  EXPECT_EQ(options->target, Target::EbpfHex);
  EXPECT_EQ(ebpf.packet_start, Reg::R6);
  EXPECT_EQ(ebpf.packet_end, Reg::R7);
  EXPECT_EQ(ebpf.result, Reg::R0);
  EXPECT_EQ(ebpf.working, (std::array{Reg::R0, Reg::R1, Reg::R8, Reg::R5}));
  EXPECT_EQ(ebpf.spare, (std::vector{Reg::R2, Reg::R3}));
  EXPECT_EQ(ebpf.packet_length, Reg::R9);
  EXPECT_EQ(ebpf.stack_offset_bytes, 16U);
  EXPECT_EQ(ebpf.packet_start_offset_bytes, 40U);
  EXPECT_TRUE(ebpf.ancillary.from_frame && ebpf.ancillary.helpers);
  EXPECT_EQ(ebpf.ancillary.context, Reg::R4);
  EXPECT_FALSE(ebpf.optimize);
  EXPECT_TRUE(options->branches);
  EXPECT_EQ(options->input.link_type->dlt, 12);
  EXPECT_EQ(options->output, "out");
}

TEST(CbpfcOptions, OtherChoices) {
  EXPECT_EQ(parse({"--access", "buffer", "--buffer-size", "256", "ip"})->ebpf.buffer_size_bytes,
            256U);
  EXPECT_EQ(parse({"--access", "probe", "ip"})->ebpf.access, PacketAccess::Probe);
  EXPECT_EQ(parse({"--to", "c", "--function", "f", "--noinline", "ip"})->function_name, "f");
  EXPECT_EQ(parse({"--to", "cbpf", "--form", "line", "ip"})->classic_form,
            cbpfc::TextForm::OneLine);
  EXPECT_EQ(parse({"--match", "a", "-w", "b", "--engine", "ebpf", "ip"})->engine, Engine::Ebpf);
  EXPECT_EQ(parse({"--prove", "--timeout", "3", "ip"})->prove_seconds, 3U);
}

TEST(CbpfcOptions, Refuses) {
  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } cases[] = {
      {{"--nonsense", "ip"}, "unknown option --nonsense"},
      {{"--expl", "ip"}, "unknown option --expl"},
      {{"--to"}, "option --to needs an argument"},
      {{"-o"}, "option -o needs an argument"},
      {{"-o", "", "ip"}, "option -o: its argument is empty"},
      {{"--to", "pascal", "ip"},
       "option --to: \"pascal\" is none of ebpf, ebpf-hex, c, cbpf, dot, object"},
      {{"--link-type", "NOSUCH", "ip"}, "option --link-type: "},
      {{"--result", "R11", "ip"}, "option --result: \"R11\" is no register, R0 to R10"},
      {{"--result", "", "ip"}, "option --result: \"\" is no register"},
      {{"--working", "R4,R5", "ip"},
       "option --working: \"R4,R5\" names 2 registers, it takes 4; more go into --spare"},
      {{"--spare", "R8,,R9", "ip"}, "option --spare: \"\" is no register"},
      {{"--ancillary", "frame,clock", "ip"},
       "option --ancillary: \"clock\" is none of frame, helpers, context=REG"},
      {{"--stack-offset", "513", "ip"}, "option --stack-offset: 513 is out of range"},
      {{"--explain", "--prove", "ip"},
       "--explain and --prove do not go together, use one at a time"},
      {{"--match", "f", "--to", "c", "ip"},
       "--match and --to do not go together, use one at a time"},
      {{"--dump-after", "merge", "--to", "c", "ip"},
       "--dump-after goes together with --to dot alone"},
      {{"-w", "f", "ip"}, "option -w: it has a meaning only with --match"},
      {{"--engine", "kernel", "ip"}, "option --engine: it has a meaning only with --match"},
      {{"--timeout", "1", "ip"}, "option --timeout: it has a meaning only with --prove"},
      {{"--form", "c", "ip"}, "option --form: it has a meaning only with --to cbpf"},
      {{"--noinline", "ip"}, "option --noinline: it has a meaning only with --to c"},
      {{"--function", "f", "ip"},
       "option --function: it has a meaning only with --to c or --to object"},
      {{"--buffer-size", "9", "ip"},
       "option --buffer-size: it has a meaning only with --access buffer"},
      {{"--to", "c", "--result", "R0", "ip"}, "option --result: it is for fragments: "},
      {{"--explain", "--branch", "ip"}, "option --branch: it is for fragments: "},
      {{"--match", "f", "--access", "probe", "ip"}, "option --access: it is for fragments: "},
      {{"-F", "f", "ip"}, "an expression on the command line, -F and --set do not go together"},
      {{"-F", "f", "--set", "g"}, "an expression on the command line, -F and --set do not"},
      {{"--set", "f", "--branch"}, "option --branch: a set gives a number, not a branch"},
      {{"--passes", "ip"}, "--passes takes no filter"},
      {{"--match", "-"}, "standard input cannot be both the capture file and the filter"},
      {{"--match", "-", "--set", "-"}, "standard input cannot be both"},
  };
  for (const auto& one : cases) {
    const auto options = parse(one.arguments);
    ASSERT_FALSE(options) << one.message;
    EXPECT_EQ(options.error().code, cbpfc::Errc::InvalidArgument);
    EXPECT_TRUE(options.error().message.starts_with(one.message)) << options.error().message;
  }
}

TEST(CbpfcOptions, HelpFitsATerminal) {
  const std::string help = cbpfc_help();
  for (const char* name :
       {"--to TARGET", "--explain", "--match FILE", "--prove", "--passes", "--dump-after PHASE",
        "-f, -F FILE", "--set FILE", "-y, --link-type TYPE", "--no-optimize", "--working REGS",
        "-o FILE", "-w FILE", "-h, --help", "--version"}) {
    EXPECT_NE(help.find(name), std::string::npos) << name;
  }
  for (std::size_t start = 0; start < help.size();) {
    const std::size_t end = help.find('\n', start);
    EXPECT_LE(end - start, 80U) << help.substr(start, end - start);
    start = end + 1;
  }
}

}  // namespace
}  // namespace command
