// SPDX-License-Identifier: BSD-3-Clause

#include "bench/programs/filter_list.h"

#include <cbpfc/pcap_filter.h>
#include <fmt/format.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <span>

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Filter;
using cbpfc::Result;

/// From so many alternatives an expression is a list.
constexpr std::size_t kListTerms = 8;

std::size_t occurrences(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + word.size())) {
    ++count;
  }
  return count;
}

}  // namespace

Result<std::vector<std::string>> read_expressions(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return cbpfc::fail(Errc::Io,
                       fmt::format("read filters from {}: {}", path, std::strerror(errno)), errno);
  }
  std::vector<std::string> expressions;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) {
      expressions.push_back(line);
    }
  }
  if (expressions.empty()) {
    return cbpfc::fail(Errc::Io,
                       fmt::format("read filters from {}: it has none, write one a line", path));
  }
  return expressions;
}

std::string_view group_of(std::string_view expression) {
  const auto has = [expression](std::string_view word) {
    return expression.find(word) != std::string_view::npos;
  };
  if (occurrences(expression, " or ") + 1 >= kListTerms) {
    return kGroups[5];
  }
  if (has("vlan") || has("mpls")) {
    return kGroups[4];
  }
  if (has("[")) {
    return kGroups[3];
  }
  if (has("host") || has("net ")) {
    return kGroups[2];
  }
  return has("port") ? kGroups[1] : kGroups[0];
}

Result<Filter> classic_filter(const std::string& expression, bool by_libpcaps_optimiser) {
  if (!by_libpcaps_optimiser) {
    return Filter::decode(TRY(cbpfc::compile_expression(expression)), cbpfc::Accept::Compiler);
  }
  constexpr int kSnapshotLength = 262144;
  pcap_t* const handle = pcap_open_dead(DLT_EN10MB, kSnapshotLength);
  bpf_program program = {};
  std::vector<cbpfc::RawInsn> insns;
  std::string error;
  if (pcap_compile(handle, &program, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0) {
    for (const bpf_insn& insn : std::span(program.bf_insns, program.bf_len)) {
      insns.push_back({.code = insn.code, .jt = insn.jt, .jf = insn.jf, .k = insn.k});
    }
    pcap_freecode(&program);
  } else {
    error = pcap_geterr(handle);
  }
  pcap_close(handle);
  return error.empty() ? Filter::decode(insns, cbpfc::Accept::Compiler)
                       : cbpfc::fail(Errc::Syntax, error);
}

}  // namespace bench
