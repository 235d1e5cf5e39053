// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/options.h"

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
  EXPECT_TRUE(options->code.ebpf.optimize);
  EXPECT_FALSE(options->code.branches);
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
  EXPECT_EQ(parse({"--help"})->request, Request::Help);
  EXPECT_EQ(parse({"--version"})->request, Request::Version);
}

TEST(CbpfcOptions, EverythingOfAFragment) {
  const auto options =
      parse({"--to", "ebpf-hex", "--registers",
             "start=R6,end=r7,result=0,working=R0:R1:R8:R5,spare=R2:R3", "--registers", "length=R9",
             "--branch", "--stack-offset", "16", "--ancillary", "frame,helpers,context=R4",
             "--no-optimize", "-y", "RAW", "-o", "out", "ip"});
  ASSERT_TRUE(options) << options.error().message;
  const cbpfc::EbpfOptions& ebpf = options->code.ebpf;
  EXPECT_EQ(options->target, Target::EbpfHex);
  EXPECT_EQ(ebpf.packet_start, Reg::R6);
  EXPECT_EQ(ebpf.packet_end, Reg::R7);
  EXPECT_EQ(ebpf.result, Reg::R0);
  EXPECT_EQ(ebpf.working, (std::array{Reg::R0, Reg::R1, Reg::R8, Reg::R5}));
  EXPECT_EQ(ebpf.spare, (std::vector{Reg::R2, Reg::R3}));
  EXPECT_EQ(ebpf.packet_length, Reg::R9);
  EXPECT_EQ(ebpf.stack_offset_bytes, 16U);
  EXPECT_TRUE(ebpf.ancillary.from_frame && ebpf.ancillary.helpers);
  EXPECT_EQ(ebpf.ancillary.context, Reg::R4);
  EXPECT_FALSE(ebpf.optimize);
  EXPECT_TRUE(options->code.branches);
  EXPECT_EQ(options->input.link_type->dlt, 12);
  EXPECT_EQ(options->output, "out");
}

TEST(CbpfcOptions, OtherChoices) {
  const auto buffer = parse({"--access", "buffer=256", "ip"});
  ASSERT_TRUE(buffer) << buffer.error().message;
  EXPECT_EQ(buffer->code.ebpf.access, PacketAccess::Buffer);
  EXPECT_EQ(buffer->code.ebpf.buffer_size_bytes, 256U);
  EXPECT_EQ(parse({"--access", "probe", "ip"})->code.ebpf.access, PacketAccess::Probe);
  EXPECT_EQ(parse({"--access", "direct", "ip"})->code.ebpf.access, PacketAccess::Direct);
  EXPECT_EQ(parse({"--to", "c", "--function", "f", "ip"})->function_name, "f");
  EXPECT_EQ(parse({"--to", "cbpf", "--form", "line", "ip"})->classic_form,
            cbpfc::TextForm::OneLine);
}

TEST(CbpfcOptions, Refuses) {
  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } cases[] = {
      {{"--nonsense", "ip"}, "unknown option --nonsense"},
      {{"--expl", "ip"}, "unknown option --expl"},
      {{"--match", "f", "ip"}, "unknown option --match"},
      {{"--to"}, "option --to needs an argument"},
      {{"-o"}, "option -o needs an argument"},
      {{"-o", "", "ip"}, "option -o: its argument is empty"},
      {{"--to", "pascal", "ip"},
       "option --to: \"pascal\" is none of ebpf, ebpf-hex, c, cbpf, dot, object"},
      {{"--link-type", "NOSUCH", "ip"}, "option --link-type: "},
      {{"--registers", "result=R11", "ip"},
       "option --registers: \"R11\" is not a register, R0 to R10"},
      {{"--registers", "result", "ip"}, "option --registers: \"\" is not a register"},
      {{"--registers", "R1", "ip"},
       "option --registers: \"R1\" is none of start, end, result, working, spare, length, "},
      {{"--registers", "start=R1,", "ip"}, "option --registers: \"\" is none of start, "},
      {{"--registers", "working=R4:R5", "ip"},
       "option --registers: working takes 4 registers, not 2; more go into spare"},
      {{"--registers", "spare=R8::R9", "ip"}, "option --registers: \"\" is not a register"},
      {{"--access", "buffer", "ip"},
       "option --access: \"buffer\" is none of direct, buffer=BYTES, probe"},
      {{"--access", "buffer=0", "ip"}, "option --access: 0 is out of range"},
      {{"--access", "buffer=65536", "ip"}, "option --access: 65536 is out of range"},
      {{"--ancillary", "frame,clock", "ip"},
       "option --ancillary: \"clock\" is none of frame, helpers, context=REG"},
      {{"--stack-offset", "513", "ip"}, "option --stack-offset: 513 is out of range"},
      {{"--explain", "--to", "c", "ip"},
       "--explain and --to do not go together, use one at a time"},
      {{"--form", "c", "ip"}, "option --form: it has a meaning only with --to cbpf"},
      {{"--function", "f", "ip"},
       "option --function: it has a meaning only with --to c or --to object"},
      {{"--to", "c", "--registers", "result=R0", "ip"},
       "option --registers: it has a meaning only with --to ebpf, "},
      {{"--to", "cbpf", "--branch", "ip"},
       "option --branch: it has a meaning only with --to ebpf, "},
      {{"-F", "f", "ip"}, "an expression on the command line, -F and --set do not go together"},
      {{"-F", "f", "--set", "g"}, "an expression on the command line, -F and --set do not"},
      {{"--set", "f", "--branch"}, "option --branch: a set gives a number, not a branch"},
  };
  for (const auto& one : cases) {
    const auto options = parse(one.arguments);
    ASSERT_FALSE(options) << one.message;
    EXPECT_EQ(options.error().code, cbpfc::Errc::InvalidArgument);
    EXPECT_TRUE(options.error().message.starts_with(one.message)) << options.error().message;
  }
}

TEST(CbpfcOptions, HelpFitsAScreen) {
  const std::string help = cbpfc_help();
  for (const char* name :
       {"--to TARGET", "--explain", "-f, -F FILE", "--set FILE", "-y, --link-type TYPE",
        "--no-optimize", "--access HOW", "--registers LIST", "--stack-offset BYTES", "--branch",
        "--ancillary LIST", "-o FILE", "--function NAME", "--form FORM", "-h, --help",
        "--version"}) {
    EXPECT_NE(help.find(name), std::string::npos) << name;
  }
  int lines = 0;
  for (std::size_t start = 0; start < help.size(); ++lines) {
    const std::size_t end = help.find('\n', start);
    EXPECT_LE(end - start, 80U) << help.substr(start, end - start);
    start = end + 1;
  }
  EXPECT_LE(lines, 40);
}

TEST(InWordsOfCommand, NamesTheCommandsOption) {
  using cbpfc::Errc;
  const struct {
    Errc code;
    const char* option;
    const char* message;
  } cases[] = {
      {Errc::InvalidArgument, "packet_end", "option --registers end=REG: why"},
      {Errc::InvalidArgument, "packet_start", "option --registers start=REG: why"},
      {Errc::InvalidArgument, "buffer_size_bytes", "option --access buffer=BYTES: why"},
      {Errc::InvalidArgument, "ancillary.context", "option --ancillary context=REG: why"},
      {Errc::Unsupported, "ancillary.from_frame",
       "why; --ancillary frame reads it from the Ethernet frame"},
      {Errc::Unsupported, "packet_end", "why"},
      {Errc::InvalidArgument, "", "why"},
      {Errc::InvalidArgument, "an option the command does not have", "why"},
  };
  for (const auto& one : cases) {
    const cbpfc::Error spelled = in_words_of_command({.code = one.code,
                                                      .message = "why",
                                                      .detail = "log",
                                                      .sys_errno = 0,
                                                      .option = one.option});
    EXPECT_EQ(spelled.message, one.message);
    EXPECT_EQ(spelled.code, one.code);
    EXPECT_EQ(spelled.detail, "log");
  }
}

// Text that looks like an option's name, in a filter or a file's name, is left alone.
TEST(InWordsOfCommand, TextIsNotSearched) {
  const cbpfc::Error error{.code = cbpfc::Errc::InvalidArgument,
                           .message = "file option result: is already packet_end",
                           .detail = {},
                           .sys_errno = 0};
  EXPECT_EQ(in_words_of_command(error).message, error.message);
}

}  // namespace
}  // namespace command
