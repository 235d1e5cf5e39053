// SPDX-License-Identifier: BSD-3-Clause
//
// The options that cbpfc and cbpfc-check share: which filter, and how its code is to look.
//
//     CodeOptions code;
//     std::vector<cli::Option> rows = code_rows(code);      // keep references to `code`
//     const Result<...> fragment = make_fragment(subject, code);
//     if (!fragment) report(in_words_of_command(fragment.error()));
//
// Tested by: cbpfc/tests/command/options_test.cc.

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/pcap_filter.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/options.h"

namespace command {

/// Where the filter's text comes from.
struct InputOptions {
  std::optional<std::string> text = std::nullopt;  ///< the words of the command line
  /// "-": standard input, which is also read if there is neither text nor file.
  std::optional<std::string> file = std::nullopt;
  std::optional<std::string> set_file = std::nullopt;  ///< one filter a line
  /// What is in the file or on standard input, once it has been read: for several link types it is compiled again.
  std::optional<std::string> content = std::nullopt;
  /// What packets start with; none: what the capture file says, or Ethernet.
  std::optional<cbpfc::LinkType> link_type = std::nullopt;
  cbpfc::PacketSource source = cbpfc::PacketSource::Live;  ///< of the capture file, if there is one

  /// Whether standard input is read for it.
  bool reads_standard_input() const {
    return set_file ? *set_file == "-" : file ? *file == "-" : !text.has_value();
  }
};

struct CodeOptions {
  cbpfc::EbpfOptions ebpf;
  /// The fragment ends in two places: behind its last instruction for a match, one further for a miss.
  bool branches = false;
};

std::vector<xdpcap::cli::Option> filter_rows(InputOptions& input);
/// --ancillary comes first.
std::vector<xdpcap::cli::Option> code_rows(CodeOptions& code);
/// The names of code_rows() that say how a fragment is called, not what code it is.
constexpr std::string_view kFragmentOptions[] = {"access", "registers", "stack-offset", "branch"};

/// The words of a command line that are not options: the expression, or "-".
/// Errors: Errc::InvalidArgument where the filter is given twice.
cbpfc::Result<void> take_operands(const std::vector<std::string>& operands, InputOptions& input);

/// The same error; its message names the option that it is about, if the commands have it.
cbpfc::Error in_words_of_command(cbpfc::Error error);

/// "--name" or "-n".
std::string spell(std::string_view name);

/// Reads options wherever they stand among the words, and returns the other words.
/// Errors: Errc::InvalidArgument naming the option.
cbpfc::Result<std::vector<std::string>> read_options(const std::vector<xdpcap::cli::Option>& table,
                                                     const std::vector<std::string>& words);

using Setter = std::function<cbpfc::Result<void>(std::string_view)>;
Setter into_number(std::uint32_t& target, std::uint64_t least, std::uint64_t most);
Setter into_text(std::string& target);
Setter into_text(std::optional<std::string>& target);

/// One word of a few: its place among them.
/// Errors: Errc::InvalidArgument.
cbpfc::Result<std::size_t> find_choice(std::string_view text,
                                       const std::vector<std::string_view>& names);
template <typename T>
Setter into_choice(T& target, std::vector<std::pair<std::string_view, T>> choices) {
  return [&target, choices = std::move(choices)](std::string_view text) -> cbpfc::Result<void> {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : choices) {
      names.push_back(name);
    }
    target = choices[TRY(find_choice(text, names))].second;
    return {};
  };
}

}  // namespace command
