// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/filter_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/numbers.h"
#include "base/options.h"
#include "cbpfc/input/link_type.h"

namespace command {

namespace cli = xdpcap::cli;

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::PacketAccess;
using cbpfc::Result;
using cbpfc::ebpf::Reg;

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  while (true) {
    const std::size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return pieces;
    }
    text.remove_prefix(end + 1);
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
    return fail(Errc::InvalidArgument, fmt::format("\"{}\" is not a register, R0 to R10", text));
  }
  return static_cast<Reg>(number);
}

/// "R4:R5".
Result<std::vector<Reg>> parse_registers(std::string_view text) {
  std::vector<Reg> registers;
  for (const std::string_view piece : split(text, ':')) {
    registers.push_back(TRY(parse_register(piece)));
  }
  return registers;
}

Result<std::array<Reg, 4>> parse_working(std::string_view text) {
  const std::vector<Reg> registers = TRY(parse_registers(text));
  std::array<Reg, 4> working{};
  if (registers.size() != working.size()) {
    return fail(Errc::InvalidArgument,
                fmt::format("working takes {} registers, not {}; more go into spare",
                            working.size(), registers.size()));
  }
  std::ranges::copy(registers, working.begin());
  return working;
}

/// "start=R6,working=R0:R1:R8:R5".
Setter into_registers(cbpfc::EbpfOptions& ebpf) {
  return [&ebpf](std::string_view text) -> Result<void> {
    for (const std::string_view piece : split(text, ',')) {
      const std::size_t equals = std::min(piece.find('='), piece.size());
      const std::string_view name = piece.substr(0, equals);
      const std::string_view value = piece.substr(std::min(equals + 1, piece.size()));
      if (name == "start") {
        ebpf.packet_start = TRY(parse_register(value));
      } else if (name == "end") {
        ebpf.packet_end = TRY(parse_register(value));
      } else if (name == "result") {
        ebpf.result = TRY(parse_register(value));
      } else if (name == "working") {
        ebpf.working = TRY(parse_working(value));
      } else if (name == "spare") {
        ebpf.spare = TRY(parse_registers(value));
      } else if (name == "length") {
        ebpf.packet_length = TRY(parse_register(value));
      } else {
        return fail(Errc::InvalidArgument,
                    fmt::format("\"{}\" is none of start, end, result, working, spare, length, "
                                "each with = and registers",
                                piece));
      }
    }
    return {};
  };
}

/// "direct", "buffer=1500", "probe".
Setter into_access(cbpfc::EbpfOptions& ebpf) {
  return [&ebpf](std::string_view text) -> Result<void> {
    constexpr std::string_view kBufferOf = "buffer=";
    if (text.starts_with(kBufferOf)) {
      ebpf.access = PacketAccess::Buffer;
      ebpf.buffer_size_bytes = static_cast<std::uint32_t>(
          TRY(cli::parse_number(text.substr(kBufferOf.size()), 1, cbpfc::kMaxPacketOffset)));
      return {};
    }
    if (text != "direct" && text != "probe") {
      return fail(Errc::InvalidArgument,
                  fmt::format("\"{}\" is none of direct, buffer=BYTES, probe", text));
    }
    ebpf.access = text == "probe" ? PacketAccess::Probe : PacketAccess::Direct;
    return {};
  };
}

/// "frame,helpers,context=R1".
Setter into_ancillary(cbpfc::AncillaryOptions& ancillary) {
  return [&ancillary](std::string_view text) -> Result<void> {
    constexpr std::string_view kContextIs = "context=";
    for (const std::string_view piece : split(text, ',')) {
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

template <typename Target>
Setter into_any_text(Target& target) {
  return [&target](std::string_view text) -> Result<void> {
    if (text.empty()) {
      return fail(Errc::InvalidArgument, "its argument is empty");
    }
    target = std::string(text);
    return {};
  };
}

struct Spelling {
  std::string_view name;     ///< in the library
  std::string_view spelled;  ///< in --help
  std::string_view help;     ///< what it does for a filter that is refused without it
};

constexpr std::array kSpellings = std::to_array<Spelling>({
    {"packet_start", "--registers start=REG", ""},
    {"packet_end", "--registers end=REG", ""},
    {"packet_length", "--registers length=REG", ""},
    {"result", "--registers result=REG", ""},
    {"working", "--registers working=REG:REG:REG:REG", ""},
    {"spare", "--registers spare=REG:...", ""},
    {"stack_offset_bytes", "--stack-offset", ""},
    {"buffer_size_bytes", "--access buffer=BYTES", ""},
    {"function_name", "--function", ""},
    {"match_label", "--branch", ""},
    {"ancillary", "--ancillary", ""},
    {"ancillary.from_frame", "--ancillary frame", "reads it from the Ethernet frame"},
    {"ancillary.helpers", "--ancillary helpers", "allows the call that gives it"},
    {"ancillary.context", "--ancillary context=REG",
     "names the register with the struct xdp_md that has it"},
});

}  // namespace

std::vector<cli::Option> filter_rows(InputOptions& input) {
  return {
      {.name = "F",
       .short_name = 'f',
       .argument = "FILE",
       .help = "read the filter from a file; # starts a comment",
       .set = into_text(input.file)},
      {.name = "set",
       .argument = "FILE",
       .help = "a filter a line; value: number of the first match",
       .set = into_text(input.set_file)},
      {.name = "link-type",
       .short_name = 'y',
       .argument = "TYPE",
       .help = "what packets start with; default: EN10MB",
       .set = [&input](std::string_view text) -> Result<void> {
         input.link_type = TRY(cli::parse_link_type(text));
         return {};
       }},
  };
}

std::vector<cli::Option> code_rows(CodeOptions& code) {
  cbpfc::EbpfOptions& ebpf = code.ebpf;
  return {
      {.name = "ancillary",
       .argument = "LIST",
       .help = "answers that are not in the packet's bytes:\n"
               "frame (Ethernet), helpers, context=REG (xdp_md)",
       .set = into_ancillary(ebpf.ancillary)},
      {.name = "no-optimize",
       .help = "without the passes over the graph",
       .set = [&ebpf](std::string_view text) -> Result<void> {
         ebpf.optimize = !TRY(cli::parse_bool(text));
         return {};
       }},
      {.name = "access",
       .argument = "HOW",
       .help = "direct (default), buffer=BYTES (map or stack), probe",
       .set = into_access(ebpf)},
      {.name = "registers",
       .argument = "LIST",
       .help = "default: start=R2,end=R3,result=R4,\n"
               "working=R4:R5:R6:R7; also spare=R8:R9, length=R9",
       .set = into_registers(ebpf)},
      {.name = "stack-offset",
       .argument = "BYTES",
       .help = "leave this much of the stack below R10 alone",
       .set = into_number(ebpf.stack_offset_bytes, 0, 512)},
      {.name = "branch",
       .help = "no value; a miss goes on one instruction further",
       .set = cli::into(code.branches)},
  };
}

Result<void> take_operands(const std::vector<std::string>& operands, InputOptions& input) {
  if (operands.size() == 1 && operands.front() == "-" && !input.file && !input.set_file) {
    input.file = "-";
  } else if (!operands.empty()) {
    input.text = fmt::format("{}", fmt::join(operands, " "));
  }
  const int sources = (input.text ? 1 : 0) + (input.file ? 1 : 0) + (input.set_file ? 1 : 0);
  if (sources > 1) {
    return fail(Errc::InvalidArgument,
                fmt::format("an expression on the command line, {} and {} do not go together, "
                            "use one of them",
                            spell("F"), spell("set")));
  }
  return {};
}

cbpfc::Error in_words_of_command(cbpfc::Error error) {
  const auto* spelling = std::ranges::find(kSpellings, error.option, &Spelling::name);
  if (spelling == kSpellings.end()) {
    return error;
  }
  if (error.code == Errc::InvalidArgument) {
    error.message = fmt::format("option {}: {}", spelling->spelled, error.message);
  } else if (!spelling->help.empty()) {
    error.message = fmt::format("{}; {} {}", error.message, spelling->spelled, spelling->help);
  }
  return error;
}

std::string spell(std::string_view name) {
  return cli::spell_option(name, cli::Dashes::Two);
}

Result<std::vector<std::string>> read_options(const std::vector<cli::Option>& table,
                                              const std::vector<std::string>& words) {
  std::vector<std::string> ordered = cli::options_first(table, words);
  std::vector<char*> argv = {nullptr};  // the program's name, which is not looked at
  for (std::string& word : ordered) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  return cli::parse_options(table, static_cast<int>(argv.size() - 1), argv.data(),
                            cli::Dashes::Two);
}

Setter into_number(std::uint32_t& target, std::uint64_t least, std::uint64_t most) {
  return [&target, least, most](std::string_view text) -> Result<void> {
    target = static_cast<std::uint32_t>(TRY(cli::parse_number(text, least, most)));
    return {};
  };
}

Setter into_text(std::string& target) {
  return into_any_text(target);
}

Setter into_text(std::optional<std::string>& target) {
  return into_any_text(target);
}

Result<std::size_t> find_choice(std::string_view text, const std::vector<std::string_view>& names) {
  const auto found = std::ranges::find(names, text);
  if (found == names.end()) {
    return fail(Errc::InvalidArgument,
                fmt::format("\"{}\" is none of {}", text, fmt::join(names, ", ")));
  }
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace command
