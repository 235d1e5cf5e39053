// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/cbpfc_option_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include "base/numbers.h"
#include "cbpfc/input/link_type.h"

namespace command {

namespace cli = xdpcap::cli;

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;
using cbpfc::ebpf::Reg;

namespace {

using Setter = std::function<Result<void>(std::string_view)>;

/// The pieces between commas.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> pieces;
  while (true) {
    const std::size_t comma = text.find(',');
    pieces.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) {
      return pieces;
    }
    text.remove_prefix(comma + 1);
  }
}

/// "R4", "r4" or "4".  Which registers are legal is for the compiler to say.
Result<Reg> parse_register(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('R') || digits.starts_with('r')) {
    digits.remove_prefix(1);
  }
  unsigned number = 0;
  const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || rest != digits.data() + digits.size() || number > 10) {
    return fail(Errc::InvalidArgument, fmt::format("\"{}\" is no register, R0 to R10", text));
  }
  return static_cast<Reg>(number);
}

template <typename Target>
Setter into_register(Target& target) {
  return [&target](std::string_view text) -> Result<void> {
    target = TRY(parse_register(text));
    return {};
  };
}

Result<std::vector<Reg>> parse_registers(std::string_view text) {
  std::vector<Reg> registers;
  for (const std::string_view piece : split(text)) {
    registers.push_back(TRY(parse_register(piece)));
  }
  return registers;
}

Setter into_number(std::uint32_t& target, std::uint64_t least, std::uint64_t most) {
  return [&target, least, most](std::string_view text) -> Result<void> {
    target = static_cast<std::uint32_t>(TRY(cli::parse_number(text, least, most)));
    return {};
  };
}

template <typename Target>
Setter into_text(Target& target) {
  return [&target](std::string_view text) -> Result<void> {
    if (text.empty()) {
      return fail(Errc::InvalidArgument, "its argument is empty");
    }
    target = std::string(text);
    return {};
  };
}

template <typename T>
using Choices = std::vector<std::pair<std::string_view, T>>;

/// One word of a few.
template <typename T>
Setter into_choice(T& target, Choices<T> choices) {
  return [&target, choices = std::move(choices)](std::string_view text) -> Result<void> {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : choices) {
      if (name == text) {
        target = value;
        return {};
      }
      names.push_back(name);
    }
    return fail(Errc::InvalidArgument,
                fmt::format("\"{}\" is none of {}", text, fmt::join(names, ", ")));
  };
}

Setter into_working(cbpfc::EbpfOptions& ebpf) {
  return [&ebpf](std::string_view text) -> Result<void> {
    const std::vector<Reg> registers = TRY(parse_registers(text));
    if (registers.size() != ebpf.working.size()) {
      return fail(Errc::InvalidArgument,
                  fmt::format("\"{}\" names {} registers, it takes {}; more go into --spare", text,
                              registers.size(), ebpf.working.size()));
    }
    std::ranges::copy(registers, ebpf.working.begin());
    return {};
  };
}

/// "frame,helpers,context=R1".
Setter into_ancillary(cbpfc::AncillaryOptions& ancillary) {
  return [&ancillary](std::string_view text) -> Result<void> {
    constexpr std::string_view kContextIs = "context=";
    for (const std::string_view piece : split(text)) {
      if (piece == "frame") {
        ancillary.from_frame = true;
      } else if (piece == "helpers") {
        ancillary.helpers = true;
      } else if (piece.starts_with(kContextIs)) {
        ancillary.context = TRY(parse_register(piece.substr(kContextIs.size())));
      } else {
        return fail(Errc::InvalidArgument,
                    fmt::format("\"{}\" is none of frame, helpers, context=REG", piece));
      }
    }
    return {};
  };
}

OptionGroup request_rows(Written& written) {
  Options& options = written.options;
  return {.title = "What to do",
          .rows = {
              {.name = "to",
               .argument = "TARGET",
               .help = "compile to this:\n"
                       "  ebpf      eBPF instructions as a listing (the\n"
                       "            default)\n"
                       "  ebpf-hex  the same, 16 hexadecimal digits an\n"
                       "            instruction, bytes in the order they have\n"
                       "            in memory\n"
                       "  c         a C function\n"
                       "  cbpf      the classic program\n"
                       "  dot       the compiler's graph, for Graphviz\n"
                       "  object    an ELF file with a BPF function, to be\n"
                       "            linked into a BPF program with \"bpftool\n"
                       "            gen object\"",
               .set = into_choice<Target>(options.target, {{"ebpf", Target::Ebpf},
                                                           {"ebpf-hex", Target::EbpfHex},
                                                           {"c", Target::C},
                                                           {"cbpf", Target::Cbpf},
                                                           {"dot", Target::Dot},
                                                           {"object", Target::Object}})},
              {.name = "explain",
               .help = "show the classic program, its graph, what each pass\n"
                       "saved, and, as root, the verifier's verdict and the\n"
                       "nanoseconds a packet takes; with --match on packets of\n"
                       "that file, otherwise on made-up ones",
               .set = cli::into(written.wants_explain)},
              {.name = "match",
               .argument = "FILE",
               .help = "run the compiled filter over a capture file (pcap or\n"
                       "pcapng, -: standard input); print the number of\n"
                       "matches, and details below it",
               .set = into_text(options.capture_file)},
              {.name = "prove",
               .help = "prove the eBPF code equal to the classic program, for\n"
                       "all packets, or print a packet on which they differ",
               .set = cli::into(written.wants_prove)},
              {.name = "passes",
               .help = "list the optimiser's phases, in the order they run",
               .set = cli::into(written.wants_passes)},
              {.name = "dump-after",
               .argument = "PHASE",
               .help = "print the graph as it is after a phase; as a drawing\n"
                       "with --to dot",
               .set = into_text(options.pass)},
          }};
}

OptionGroup filter_rows(Written& written) {
  InputOptions& input = written.options.input;
  return {.title = "The filter",
          .rows = {
              {.name = "F",
               .short_name = 'f',
               .argument = "FILE",
               .help = "read it from a file (-: standard input); in an\n"
                       "expression what follows a # is a comment, in a program\n"
                       "lines that start with one are",
               .set = into_text(input.file)},
              {.name = "set",
               .argument = "FILE",
               .help = "several filters, one a line, compiled into one whose\n"
                       "value is the number, from 1, of the first that matches",
               .set = into_text(input.set_file)},
              {.name = "link-type",
               .short_name = 'y',
               .argument = "TYPE",
               .help = "what packets start with, as libpcap's name or number;\n"
                       "default: that of the capture file, or EN10MB",
               .set = [&input](std::string_view text) -> Result<void> {
                 input.link_type = TRY(cli::parse_link_type(text));
                 return {};
               }},
          }};
}

OptionGroup code_rows(Written& written) {
  Options& options = written.options;
  cbpfc::EbpfOptions& ebpf = options.ebpf;
  using cbpfc::PacketAccess;
  return {.title = "eBPF code",
          .rows = {
              {.name = "no-optimize",
               .help = "leave out the passes over the graph",
               .set = [&ebpf](std::string_view text) -> Result<void> {
                 ebpf.optimize = !TRY(cli::parse_bool(text));
                 return {};
               }},
              {.name = "access",
               .argument = "HOW",
               .help = "direct (the default), buffer: the packet is in a map\n"
                       "value or on the stack, or probe: at a kernel address,\n"
                       "for tracing programs",
               .set = into_choice<PacketAccess>(ebpf.access, {{"direct", PacketAccess::Direct},
                                                              {"buffer", PacketAccess::Buffer},
                                                              {"probe", PacketAccess::Probe}})},
              {.name = "buffer-size",
               .argument = "BYTES",
               .help = "what the verifier knows the buffer's size to be",
               .set = into_number(ebpf.buffer_size_bytes, 1, cbpfc::kMaxPacketOffset)},
              {.name = "start-offset",
               .argument = "BYTES",
               .help = "the packet starts at most this far behind ctx->data;\n"
                       "default: 0",
               .set = into_number(ebpf.packet_start_offset_bytes, 0, cbpfc::kMaxPacketOffset)},
              {.name = "stack-offset",
               .argument = "BYTES",
               .help = "leave this much of the stack below R10 alone; default:\n"
                       "0",
               .set = into_number(ebpf.stack_offset_bytes, 0, 512)},
              {.name = "branch",
               .help = "give no value: a match goes on behind the last\n"
                       "instruction, a miss one instruction further",
               .set = cli::into(options.branches)},
              {.name = "ancillary",
               .argument = "LIST",
               .help = "where loads of what is not in the packet's bytes find\n"
                       "an answer: frame (the Ethernet header), helpers\n"
                       "(calls), context=REG (struct xdp_md)",
               .set = into_ancillary(ebpf.ancillary)},
          }};
}

OptionGroup register_rows(Written& written) {
  cbpfc::EbpfOptions& ebpf = written.options.ebpf;
  return {.title = "Registers of a fragment",
          .rows = {
              {.name = "packet-start",
               .argument = "REG",
               .help = "register with the first byte's address; default: R2",
               .set = into_register(ebpf.packet_start)},
              {.name = "packet-end",
               .argument = "REG",
               .help = "register with the address behind the last byte; with\n"
                       "--access buffer or probe the number of bytes; default:\n"
                       "R3",
               .set = into_register(ebpf.packet_end)},
              {.name = "result",
               .argument = "REG",
               .help = "register for the filter's value; default: R4",
               .set = into_register(ebpf.result)},
              {.name = "working",
               .argument = "REGS",
               .help = "four registers to work with, with commas between;\n"
                       "default: R4,R5,R6,R7",
               .set = into_working(ebpf)},
              {.name = "spare",
               .argument = "REGS",
               .help = "more registers that may be overwritten; default: none",
               .set = [&ebpf](std::string_view text) -> Result<void> {
                 ebpf.spare = TRY(parse_registers(text));
                 return {};
               }},
              {.name = "packet-length",
               .argument = "REG",
               .help = "register with the whole length of a packet of which\n"
                       "only a part is there; default: none",
               .set = into_register(ebpf.packet_length)},
          }};
}

OptionGroup output_rows(Written& written) {
  Options& options = written.options;
  return {
      .title = "Output",
      .rows = {
          {.name = "o",
           .argument = "FILE",
           .help = "write there, the whole or nothing; default: standard\n"
                   "output",
           .set = into_text(options.output)},
          {.name = "function",
           .argument = "NAME",
           .help = "with --to c and object: the function's name; default:\n"
                   "filter",
           .set = into_text(options.function_name)},
          {.name = "noinline",
           .help = "with --to c: a function of its own, not static inline",
           .set = cli::into(options.no_inline)},
          {.name = "form",
           .argument = "FORM",
           .help = "with --to cbpf: listing (tcpdump -d, the default), c\n"
                   "(-dd), decimal (-ddd), or line, which is decimal with\n"
                   "commas for line ends",
           .set = into_choice<cbpfc::TextForm>(options.classic_form,
                                               {{"listing", cbpfc::TextForm::Listing},
                                                {"c", cbpfc::TextForm::CArray},
                                                {"decimal", cbpfc::TextForm::Decimal},
                                                {"line", cbpfc::TextForm::OneLine}})},
          {.name = "w",
           .argument = "FILE",
           .help = "with --match: write what matches to a file, in the\n"
                   "format of the one that is read; -: standard output,\n"
                   "and nothing else there",
           .set = into_text(options.matches_file)},
          {.name = "engine",
           .argument = "WHAT",
           .help = "with --match: kernel (as an XDP program), interpreter\n"
                   "(the classic program), or ebpf (the code,\n"
                   "interpreted); default: kernel if allowed, and\n"
                   "interpreter",
           .set = into_choice<Engine>(options.engine, {{"kernel", Engine::Kernel},
                                                       {"interpreter", Engine::Interpreter},
                                                       {"ebpf", Engine::Ebpf}})},
          {.name = "timeout",
           .argument = "SECONDS",
           .help = "with --prove: give up after this long; default: 20",
           .set = into_number(options.prove_seconds, 1, 86400)},
          {.name = "v", .help = "show complete verifier logs", .set = cli::into(options.verbose)},
          {.name = "help",
           .short_name = 'h',
           .help = "print this and exit",
           .set = cli::into(written.wants_help)},
          {.name = "version",
           .help = "print the version and exit",
           .set = cli::into(written.wants_version)},
      }};
}

}  // namespace

std::vector<OptionGroup> option_groups(Written& written) {
  std::vector<OptionGroup> groups = {request_rows(written), filter_rows(written),
                                     code_rows(written), register_rows(written),
                                     output_rows(written)};
  for (OptionGroup& group : groups) {
    for (cli::Option& row : group.rows) {
      row.set = [&written, name = row.name, set = std::move(row.set)](std::string_view text) {
        written.names.insert(name);
        return set(text);
      };
    }
  }
  return groups;
}

}  // namespace command
