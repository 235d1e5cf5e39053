// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/tests/golden/options_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>

namespace golden {
namespace {

using cbpfc::COptions;
using cbpfc::EbpfOptions;
using cbpfc::PacketAccess;
using cbpfc::ebpf::Reg;

template <typename Options>
using Table = std::map<std::string, std::function<void(Options&, const std::string&)>>;

template <typename Options>
Options read(const std::string& words, const Table<Options>& table) {
  Options options;
  std::istringstream in(words);
  for (std::string word; in >> word;) {
    const std::string name = word.substr(0, word.find('='));
    const auto row = table.find(name);
    if (row == table.end()) {
      ADD_FAILURE() << "no such option: " << word;
    } else {
      row->second(options, word.substr(std::min(name.size() + 1, word.size())));
    }
  }
  return options;
}

std::uint32_t number(const std::string& text) {
  return static_cast<std::uint32_t>(std::stoul(text, nullptr, 0));
}
bool yes_or_no(const std::string& text) {
  return text != "false";
}
Reg reg(const std::string& text) {
  return static_cast<Reg>(number(text.substr(1)));
}
std::vector<Reg> regs(const std::string& text) {
  std::vector<Reg> all;
  std::istringstream in(text);
  for (std::string one; std::getline(in, one, ',');) {
    all.push_back(reg(one));
  }
  return all;
}

}  // namespace

EbpfOptions ebpf_options(const std::string& words) {
  using O = EbpfOptions;
  using Text = const std::string;
  static const Table<O> kTable = {
      {"packet_start", [](O& o, Text& v) { o.packet_start = reg(v); }},
      {"packet_end", [](O& o, Text& v) { o.packet_end = reg(v); }},
      {"result", [](O& o, Text& v) { o.result = reg(v); }},
      {"working", [](O& o, Text& v) { std::ranges::copy(regs(v), o.working.begin()); }},
      {"result_label", [](O& o, Text& v) { o.result_label = v; }},
      {"label_prefix", [](O& o, Text& v) { o.label_prefix = v; }},
      {"stack_offset_bytes", [](O& o, Text& v) { o.stack_offset_bytes = number(v); }},
      {"packet_length", [](O& o, Text& v) { o.packet_length = reg(v); }},
      {"packet_start_offset_bytes", [](O& o, Text& v) { o.packet_start_offset_bytes = number(v); }},
      {"access",
       [](O& o, Text& v) {
         o.access = v == "buffer"  ? PacketAccess::Buffer
                    : v == "probe" ? PacketAccess::Probe
                                   : PacketAccess::Direct;
       }},
      {"buffer_size_bytes", [](O& o, Text& v) { o.buffer_size_bytes = number(v); }},
      {"buffer_on_stack", [](O& o, Text& v) { o.buffer_on_stack = yes_or_no(v); }},
      {"ancillary.from_frame", [](O& o, Text& v) { o.ancillary.from_frame = yes_or_no(v); }},
      {"ancillary.context", [](O& o, Text& v) { o.ancillary.context = reg(v); }},
      {"ancillary.helpers", [](O& o, Text& v) { o.ancillary.helpers = yes_or_no(v); }},
      {"spare", [](O& o, Text& v) { o.spare = regs(v); }},
      {"match_label", [](O& o, Text& v) { o.match_label = v; }},
      {"no_match_label", [](O& o, Text& v) { o.no_match_label = v; }},
      {"optimize", [](O& o, Text& v) { o.optimize = yes_or_no(v); }},
  };
  return read(words, kTable);
}

COptions c_options(const std::string& words) {
  using O = COptions;
  using Text = const std::string;
  static const Table<O> kTable = {
      {"function_name", [](O& o, Text& v) { o.function_name = v; }},
      {"no_inline", [](O& o, Text& v) { o.no_inline = yes_or_no(v); }},
      {"packet_length", [](O& o, Text& v) { o.packet_length = yes_or_no(v); }},
      {"packet_start_offset_bytes", [](O& o, Text& v) { o.packet_start_offset_bytes = number(v); }},
      {"optimize", [](O& o, Text& v) { o.optimize = yes_or_no(v); }},
      {"ancillary.from_frame", [](O& o, Text& v) { o.ancillary.from_frame = yes_or_no(v); }},
  };
  return read(words, kTable);
}

}  // namespace golden
