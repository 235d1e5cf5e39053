// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/target.h"

#include <cbpfc/compile_c.h>
#include <cbpfc/inspect.h>
#include <cbpfc/text.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "cbpfc/command/object.h"

namespace command {

using cbpfc::EbpfOptions;
using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::PacketAccess;
using cbpfc::Result;
using cbpfc::ebpf::Assembly;
using cbpfc::ebpf::Reg;

namespace {

std::string name(Reg reg) {
  return fmt::format("r{}", static_cast<int>(reg));
}

/// Text that may stand in a comment of one line.
std::string one_line(std::string_view text) {
  constexpr std::size_t kMostCharacters = 200;
  std::string line(text.substr(0, kMostCharacters));
  std::ranges::replace_if(line, [](char c) { return c < ' ' || c > '~'; }, ' ');
  return text.size() > kMostCharacters ? line + "..." : line;
}

std::string describe_entry(const EbpfOptions& options) {
  const std::string start = name(options.packet_start);
  const std::string end = name(options.packet_end);
  switch (options.access) {
    case PacketAccess::Direct:
      return fmt::format("{} the packet's first byte, {} behind its last", start, end);
    case PacketAccess::Buffer:
      return fmt::format("{} a buffer of {} bytes, {} how many of them are packet", start,
                         options.buffer_size_bytes, end);
    case PacketAccess::Probe:
      return fmt::format("{} the packet's kernel address, {} its length", start, end);
  }
  return {};
}

std::string describe_exit(const Fragment& fragment, const Subject& subject,
                          const EbpfOptions& options) {
  const std::size_t end = fragment.insns.size();
  if (fragment.branches) {
    return fmt::format("a match goes on at {}, a miss at {}", end, end + 1);
  }
  return fmt::format("goes on at {}, with {} in {}", end,
                     subject.is_set ? "the number of the first filter that matches, or 0,"
                                    : "the filter's value, 0 for no match,",
                     name(options.result));
}

std::string describe_overwritten(const EbpfOptions& options) {
  std::set<int> registers;
  const auto add = [&](Reg reg) { registers.insert(static_cast<int>(reg)); };
  std::ranges::for_each(options.working, add);
  std::ranges::for_each(options.spare, add);
  add(options.result);
  if (options.ancillary.helpers || options.access == PacketAccess::Probe) {
    for (const Reg reg : {Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5}) {
      add(reg);
    }
  }
  return fmt::format("r{}", fmt::join(registers, " r"));
}

/// A listing with comments that say how to embed it.
std::string print_ebpf(const Fragment& fragment, const Subject& subject, const Options& options) {
  std::string entry = describe_entry(options.code.ebpf);
  if (options.code.ebpf.packet_length) {
    entry += fmt::format(", {} its whole length", name(*options.code.ebpf.packet_length));
  }
  if (options.code.ebpf.ancillary.context) {
    entry += fmt::format(", {} the struct xdp_md", name(*options.code.ebpf.ancillary.context));
  }
  return fmt::format("; {}\n; before: {}\n; after:  {}\n; may overwrite {}\n{}",
                     one_line(subject.describe()), entry,
                     describe_exit(fragment, subject, options.code.ebpf),
                     describe_overwritten(options.code.ebpf), cbpfc::ebpf::print(fragment.insns));
}

/// The eight bytes of each instruction in the order they have in memory on a little-endian machine.
std::string print_hex(const Fragment& fragment) {
  std::string text;
  for (const cbpfc::ebpf::Insn& insn : fragment.insns) {
    const auto offset = static_cast<std::uint16_t>(insn.offset);
    const auto immediate = static_cast<std::uint32_t>(insn.immediate);
    fmt::format_to(std::back_inserter(text), "{:02x}{:02x}{:02x}{:02x}", insn.opcode,
                   insn.registers, offset & 0xff, offset >> 8);
    for (unsigned shift = 0; shift < 32; shift += 8) {
      fmt::format_to(std::back_inserter(text), "{:02x}", immediate >> shift & 0xff);
    }
    text += '\n';
  }
  return text;
}

Result<std::string> print_c(const Subject& subject, const Options& options) {
  if (subject.is_set) {
    return fail(Errc::Unsupported,
                "option --to c: a set of filters has no C function; --to object gives one to link");
  }
  const std::string text = TRY(
      cbpfc::compile_c(subject.sources.front().filter, {.function_name = options.function_name,
                                                        .optimize = options.code.ebpf.optimize,
                                                        .ancillary = options.code.ebpf.ancillary}));
  // No expression has the ends of a comment in it: no operator stands beside another.
  return fmt::format("/* {} */\n{}", one_line(subject.describe()), text);
}

/// Of a set, one program a line, which --set reads again.
std::string print_classic(const Subject& subject, const Options& options) {
  if (!subject.is_set) {
    std::string text = cbpfc::print_program(subject.sources.front().program, options.classic_form);
    return text.ends_with('\n') ? text : text + "\n";
  }
  std::string text;
  for (const Source& source : subject.sources) {
    text += cbpfc::print_program(source.program, cbpfc::TextForm::OneLine) + "\n";
  }
  return text;
}

Result<std::string> draw_graph(const Subject& subject, const Options& options) {
  if (subject.is_set) {
    return fail(Errc::Unsupported, "--to dot: a set of filters has no drawing; draw one of them");
  }
  std::vector<cbpfc::GraphView> views =
      TRY(cbpfc::inspect_phases(subject.sources.front().filter, options.code.ebpf));
  return std::move(views.back().dot);
}

Result<std::string> make_object(const Subject& subject, const Options& options) {
  const ObjectOptions wanted{.function_name = options.function_name,
                             .source = subject.describe(),
                             .ancillary = options.code.ebpf.ancillary,
                             .optimize = options.code.ebpf.optimize};
  const std::vector<std::uint8_t> file =
      subject.is_set ? TRY(compile_object_set(subject.filters(), wanted))
                     : TRY(compile_object(subject.sources.front().filter, wanted));
  return std::string(file.begin(), file.end());
}

}  // namespace

Result<Assembly> compile_subject(const Subject& subject, const EbpfOptions& options) {
  if (subject.is_set) {
    return cbpfc::compile_ebpf_set(subject.filters(), options);
  }
  return cbpfc::compile_ebpf(subject.sources.front().filter, options);
}

Result<Fragment> make_fragment(const Subject& subject, const EbpfOptions& wanted, bool branches) {
  EbpfOptions options = wanted;
  if (!branches) {
    Assembly code = TRY(compile_subject(subject, options));
    code.label(options.result_label);
    return Fragment{.insns = TRY(code.assemble())};
  }
  options.match_label = "match";
  options.no_match_label = "no_match";
  Assembly code = TRY(compile_subject(subject, options));
  code.label(options.match_label);
  code.add(cbpfc::ebpf::mov(Reg::R0, 0));  // holds the place of the user's instruction
  code.label(options.no_match_label);
  Fragment fragment{.insns = TRY(code.assemble()), .branches = true};
  fragment.insns.pop_back();
  return fragment;
}

Result<std::string> compile_to(const Subject& subject, const Options& options) {
  switch (options.target) {
    case Target::Ebpf:
      return print_ebpf(TRY(make_fragment(subject, options.code.ebpf, options.code.branches)),
                        subject, options);
    case Target::EbpfHex:
      return print_hex(TRY(make_fragment(subject, options.code.ebpf, options.code.branches)));
    case Target::C: return print_c(subject, options);
    case Target::Cbpf: return print_classic(subject, options);
    case Target::Dot: return draw_graph(subject, options);
    case Target::Object: return make_object(subject, options);
  }
  return {};
}

}  // namespace command
