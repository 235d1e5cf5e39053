// SPDX-License-Identifier: BSD-3-Clause
//
// The folders of golden files, and what is made of their inputs.

#include "cbpfc/tests/golden/golden.h"

#include <cbpfc/compile.h>
#include <cbpfc/compile_c.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <sstream>

#include "cbpfc/compile/optimize.h"
#include "cbpfc/passes/graph_passes.h"
#include "cbpfc/tests/golden/options_text.h"
#include "cbpfc/tests/graph/graph_reader.h"
#include "cbpfc/tests/graph/optimizer_support.h"
#include "verify/interpreter/ebpf_interpret.h"

namespace golden {
namespace {

namespace optimizer = cbpfc::optimizer;
namespace ebpf = cbpfc::ebpf;
using cbpfc::EbpfOptions;
using cbpfc::Filter;
using optimizer::Graph;
using optimizer::PacketRules;

std::string failed(const cbpfc::Error& error) {
  return (error.option.empty() ? "" : error.option + ": ") + error.message + "\n";
}

/// A classic program in any form of text, or an expression.
Filter filter(const std::string& text) {
  const bool is_program = text.starts_with("(0") || text.find(",") != std::string::npos;
  return is_program ? optimizer::filter(text)
                    : optimizer::expression_filter(text.substr(0, text.find('\n')));
}

void split(Graph& graph, const PacketRules& rules) {
  auto made = optimizer::split_short_packets(graph, rules);
  if (made) {
    graph = *std::move(made);
  }
}

/// The names of passes, and "lift" for one that takes a filter.
std::string run_passes(const std::string& names, const std::string& input) {
  static const std::map<std::string, std::function<void(Graph&, const PacketRules&)>> kPasses = {
      {"thread", optimizer::thread_edges},
      {"merge", [](Graph& g, const PacketRules&) { optimizer::merge_equal(g); }},
      {"widen", [](Graph& g, const PacketRules&) { optimizer::widen_guards(g); }},
      {"split", split},
      {"gather", [](Graph& g, const PacketRules&) { optimizer::gather_switches(g); }},
      {"masks", [](Graph& g, const PacketRules&) { optimizer::choose_masks(g); }},
      {"wide", [](Graph& g, const PacketRules&) { optimizer::widen_compares(g); }},
      {"share", [](Graph& g, const PacketRules&) { optimizer::share_lists(g); }},
  };
  auto graph = optimizer::read_graph(input);
  if (!graph) {
    return failed(graph.error());
  }
  std::istringstream in(names);
  for (std::string name; in >> name;) {
    const auto pass = kPasses.find(name);
    if (pass == kPasses.end()) {
      return "there is no pass " + name + "\n";
    }
    pass->second(*graph, PacketRules{});
    EXPECT_EQ(optimizer::check_graph(*graph), "");
  }
  return optimizer::dump(*graph);
}

/// `code` with the caller's labels behind it: an exit at each, or the end of the code with the value in `result`.
std::vector<ebpf::Insn> assembled(ebpf::Assembly code, const EbpfOptions& options, bool exits) {
  if (options.match_label.empty()) {
    code.label(options.result_label);
  } else {
    code.label(options.match_label);
    code.add(ebpf::mov32(options.result, 1U));
    exits ? code.add(ebpf::exit_insn()) : code.jump("end");
    code.label(options.no_match_label);
    code.add(ebpf::mov32(options.result, 0U));
    code.label("end");
  }
  if (exits) {
    code.add(ebpf::exit_insn());
  }
  auto insns = code.assemble();
  EXPECT_TRUE(insns) << insns.error().message;
  return *std::move(insns);
}

/// "12 34 00*8" as bytes.
std::vector<std::uint8_t> packet_bytes(const std::string& text) {
  std::vector<std::uint8_t> packet;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    const std::size_t star = word.find('*');
    const std::size_t times = star == std::string::npos ? 1 : std::stoul(word.substr(star + 1));
    packet.insert(packet.end(), times, static_cast<std::uint8_t>(std::stoul(word, nullptr, 16)));
  }
  return packet;
}

std::string value_of(const std::vector<ebpf::Insn>& insns, const EbpfOptions& options,
                     const std::vector<std::uint8_t>& packet) {
  const auto execution = ebpf::interpret(
      insns, packet, ebpf::entry_state(options, static_cast<std::uint32_t>(packet.size())));
  return execution
             ? fmt::format("{:#x}",
                           static_cast<std::uint32_t>(
                               execution->registers[static_cast<std::size_t>(options.result)]))
             : execution.error().message;
}

/// The listing of a graph's code, and its value for each "packet BYTES" behind the graph.
std::string emit(const std::string& words, const std::string& input) {
  const EbpfOptions options = ebpf_options(words);
  const std::size_t end = std::min(input.find("packet"), input.size());
  const auto graph = optimizer::read_graph(input.substr(0, end));
  if (!graph) {
    return failed(graph.error());
  }
  auto code = optimizer::emit_graph(*graph, options);
  if (!code) {
    return failed(code.error());
  }
  std::string text = ebpf::print(assembled(*code, options, true));
  const std::vector<ebpf::Insn> insns = assembled(*std::move(code), options, false);
  std::istringstream packets(input.substr(end));
  for (std::string line; std::getline(packets, line);) {
    text += fmt::format("{}: {}\n", line, value_of(insns, options, packet_bytes(line.substr(6))));
  }
  return text;
}

/// C text without the macros that are the same in all.
std::string without_macros(std::string text) {
  const std::size_t begin = text.find("#ifndef CBPFC_C\n");
  const std::size_t end = text.rfind("#endif\n");
  EXPECT_LT(begin, end);
  return text.erase(begin, end - begin).replace(begin, 6, "(macros)");
}

/// Each line of `input`, a set of options, and what is said about it.
template <typename Compile>
std::string each_line(const std::string& input, Compile&& compile) {
  std::string text;
  std::istringstream in(input);
  for (std::string line; std::getline(in, line);) {
    const auto compiled = compile(line);
    text += fmt::format("{}\n    {}", line, compiled ? "accepted\n" : failed(compiled.error()));
  }
  return text;
}

TEST(Golden, Passes) {
  expect_golden("passes", run_passes);
}

TEST(Golden, Lift) {
  expect_golden("lift", [](const std::string&, const std::string& input) {
    const Graph graph = optimizer::lifted(filter(input));
    EXPECT_EQ(optimizer::check_graph(graph), "");
    return optimizer::dump(graph);
  });
}

TEST(Golden, Emit) {
  expect_golden("emit", emit);
}

TEST(Golden, Ebpf) {
  expect_golden("ebpf", [](const std::string& words, const std::string& input) {
    const EbpfOptions options = ebpf_options(words);
    auto code = cbpfc::compile_ebpf(filter(input), options);
    return code ? ebpf::print(assembled(*std::move(code), options, true)) : failed(code.error());
  });
}

TEST(Golden, C) {
  expect_golden("c", [](const std::string& words, const std::string& input) {
    const auto text = cbpfc::compile_c(filter(input), c_options(words));
    return text ? without_macros(*text) : failed(text.error());
  });
}

TEST(Golden, COptions) {
  expect_golden("c_options", [](const std::string& common, const std::string& input) {
    return each_line(input, [&](const std::string& line) {
      return cbpfc::compile_c(filter("1,6 0 0 1"), c_options(common + " " + line));
    });
  });
}

TEST(Golden, Options) {
  expect_golden("options", [](const std::string& common, const std::string& input) {
    return each_line(input, [&](const std::string& line) {
      return cbpfc::compile_ebpf(filter("1,6 0 0 1"), ebpf_options(common + " " + line));
    });
  });
}

}  // namespace
}  // namespace golden
