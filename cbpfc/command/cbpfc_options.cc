// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/cbpfc_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>

#include "base/option_order.h"
#include "base/options.h"
#include "cbpfc/command/cbpfc_option_table.h"

namespace command {

namespace cli = xdpcap::cli;

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

std::string spell(std::string_view name) {
  return cli::spell_option(name, cli::Dashes::Two);
}

/// What was asked for.  Two requests are one too many, with these exceptions: --explain looks at the
/// packets of --match, and --dump-after prints what --to dot wants.
Result<Request> choose_request(const Written& written) {
  const std::array<std::pair<bool, Request>, 6> asked = {
      {{written.wants_explain, Request::Explain},
       {written.options.capture_file && !written.wants_explain, Request::Match},
       {written.wants_prove, Request::Prove},
       {written.wants_passes, Request::Passes},
       {written.has("dump-after"), Request::DumpAfter},
       {written.has("to") && !written.has("dump-after"), Request::Compile}}};
  const std::array<std::string_view, 6> names = {"explain", "match",      "prove",
                                                 "passes",  "dump-after", "to"};
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (!asked[i].first) {
      continue;
    }
    if (first) {
      return fail(Errc::InvalidArgument,
                  fmt::format("{} and {} do not go together, use one at a time",
                              spell(names[*first]), spell(names[i])));
    }
    first = i;
  }
  return first ? asked[*first].second : Request::Compile;
}

/// An option that means something only with another.
struct Companion {
  std::string_view name;
  bool is_there;
  std::string_view with;
};

Result<void> check_companions(const Written& written, Request request) {
  const Options& options = written.options;
  const auto compiles_to = [&](Target target) {
    return request == Request::Compile && options.target == target;
  };
  const std::array companions = {
      Companion{"w", request == Request::Match, "--match"},
      Companion{"engine", request == Request::Match, "--match"},
      Companion{"timeout", request == Request::Prove, "--prove"},
      Companion{"form", compiles_to(Target::Cbpf), "--to cbpf"},
      Companion{"noinline", compiles_to(Target::C), "--to c"},
      Companion{"function", compiles_to(Target::C) || compiles_to(Target::Object),
                "--to c or --to object"},
      Companion{"buffer-size", options.ebpf.access == cbpfc::PacketAccess::Buffer,
                "--access buffer"},
  };
  for (const Companion& one : companions) {
    if (written.has(one.name) && !one.is_there) {
      return fail(Errc::InvalidArgument, fmt::format("option {}: it has a meaning only with {}",
                                                     spell(one.name), one.with));
    }
  }
  return {};
}

/// Options of the fragment, where the code that is asked for has its own way to be called.
Result<void> check_fragment_options(const Written& written, Request request) {
  const Target target = written.options.target;
  const bool is_fragment =
      request == Request::Prove || request == Request::DumpAfter ||
      (request == Request::Compile &&
       (target == Target::Ebpf || target == Target::EbpfHex || target == Target::Dot)) ||
      (request == Request::Match && written.options.engine == Engine::Ebpf);
  if (is_fragment) {
    return {};
  }
  for (const std::string_view name : {"access", "packet-start", "packet-end", "result", "working",
                                      "spare", "packet-length", "stack-offset", "branch"}) {
    if (written.has(name)) {
      return fail(Errc::InvalidArgument,
                  fmt::format("option {}: it is for fragments: --to ebpf, --to ebpf-hex, --prove",
                              spell(name)));
    }
  }
  return {};
}

/// Which of several sources of text is meant.
Result<void> take_operands(const Written& written, Options& options,
                           std::vector<std::string> operands) {
  InputOptions& input = options.input;
  if (operands.size() == 1 && operands.front() == "-" && !input.file && !input.set_file) {
    input.file = "-";
    operands.clear();
  }
  if (!operands.empty()) {
    input.text = fmt::format("{}", fmt::join(operands, " "));
  }
  const int sources = (input.text ? 1 : 0) + (input.file ? 1 : 0) + (input.set_file ? 1 : 0);
  if (sources > 1) {
    return fail(Errc::InvalidArgument,
                fmt::format("an expression on the command line, {} and {} do not go together, "
                            "use one of them",
                            spell("F"), spell("set")));
  }
  if (input.set_file && options.branches) {
    return fail(Errc::InvalidArgument,
                fmt::format("option {}: a set gives a number, not a branch", spell("branch")));
  }
  if (written.wants_passes && sources > 0) {
    return fail(Errc::InvalidArgument,
                fmt::format("{} takes no filter; {} shows one", spell("passes"), spell("explain")));
  }
  if (options.capture_file == "-" && input.reads_standard_input()) {
    return fail(Errc::InvalidArgument,
                "standard input cannot be both the capture file and the filter; "
                "name a file for one of them");
  }
  return {};
}

}  // namespace

Result<Options> parse_cbpfc_options(int argc, char** argv) {
  const std::span<char*> given(argv, static_cast<std::size_t>(argc));
  Written written;
  std::vector<cli::Option> table;
  for (OptionGroup& group : option_groups(written)) {
    std::ranges::move(group.rows, std::back_inserter(table));
  }
  std::vector<std::string> words =
      cli::options_first(table, {given.begin() + (given.empty() ? 0 : 1), given.end()});
  words.insert(words.begin(), "cbpfc");
  std::vector<char*> ordered;
  ordered.reserve(words.size() + 1);
  for (std::string& word : words) {
    ordered.push_back(word.data());
  }
  ordered.push_back(nullptr);
  std::vector<std::string> operands = TRY(
      cli::parse_options(table, static_cast<int>(words.size()), ordered.data(), cli::Dashes::Two));
  if (written.wants_help || written.wants_version) {
    written.options.request = written.wants_help ? Request::Help : Request::Version;
    return written.options;
  }
  const Request request = TRY(choose_request(written));
  Options options = written.options;
  options.request = request;
  options.wants_dot = written.has("to") && options.target == Target::Dot;
  if (request == Request::DumpAfter && written.has("to") && !options.wants_dot) {
    return fail(Errc::InvalidArgument, fmt::format("{} goes together with {} dot alone",
                                                   spell("dump-after"), spell("to")));
  }
  TRY(check_companions(written, request));
  TRY(check_fragment_options(written, request));
  TRY(take_operands(written, options, std::move(operands)));
  return options;
}

std::string cbpfc_help() {
  Written unused;
  std::string text =
      "Usage: cbpfc [options] [<expression>]\n"
      "\n"
      "Compiles packet filters to eBPF, for XDP, TC and tracing programs.  A filter is\n"
      "an expression as tcpdump takes it, pcap-filter(7), or a classic BPF program in\n"
      "any form tcpdump -d, -dd and -ddd print; without one, it is read from standard\n"
      "input.  protochain follows up to 32 headers.\n";
  static_assert(cbpfc::kMostLoopTrips == 32, "the help says so");
  for (const OptionGroup& group : option_groups(unused)) {
    text += fmt::format("\n{}:\n{}", group.title, cli::options_help(group.rows, cli::Dashes::Two));
  }
  return text +
         "\n"
         "A fragment (--to ebpf, ebpf-hex) starts with the packet in two registers, and\n"
         "ends behind its last instruction with the filter's value, 0 for no match, in a\n"
         "third.  It has neither prologue nor exit.  The function of --to c and object is\n"
         "\n"
         "  uint32_t NAME(const uint8_t *data, const uint8_t *data_end);\n"
         "\n"
         "Exit status: 0 success, and --prove: proven; 1 failed, and --prove: not equal;\n"
         "2 wrong usage; 3 --prove found no answer in time.  No match is no failure.\n"
         "\n"
         "  cbpfc 'ip and udp port 53'                      eBPF, as a listing\n"
         "  cbpfc --to c --function is_dns udp port 53      a function for a C program\n"
         "  cbpfc --to object -o dns.o udp port 53          ... or an object for\n"
         "                                                  bpftool gen object\n"
         "  cbpfc --explain tcp port 80                     what the compiler does\n"
         "  cbpfc --match in.pcap -w out.pcap tcp port 80   what matches in a file\n"
         "  tcpdump -ddd icmp | cbpfc --to ebpf-hex         from classic BPF\n";
}

}  // namespace command
