// SPDX-License-Identifier: BSD-3-Clause

#include "base/option_order.h"

#include <cstddef>
#include <string_view>

namespace xdpcap::cli {

namespace {

/// The row that a word names: "--name", "-name", "-n", with or without "=value".
const Option* named_row(const std::vector<Option>& table, std::string_view word) {
  if (!word.starts_with('-')) {
    return nullptr;
  }
  word.remove_prefix(word.starts_with("--") ? 2 : 1);
  const std::string_view name = word.substr(0, word.find('='));
  for (const Option& row : table) {
    if (row.name == name || (name.size() == 1 && row.short_name == name.front())) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> options_first(const std::vector<Option>& table,
                                       const std::vector<std::string>& words) {
  std::vector<std::string> options;
  std::vector<std::string> operands;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      operands.insert(operands.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                      words.end());
      break;
    }
    const Option* row = named_row(table, word);
    const bool is_dashed = word.starts_with('-') && word != "-";
    if (row == nullptr && (!is_dashed || !operands.empty())) {
      operands.push_back(word);
      continue;
    }
    options.push_back(word);
    const bool wants_next =
        row != nullptr && !row->argument.empty() && word.find('=') == std::string::npos;
    if (wants_next && i + 1 == words.size()) {
      return options;  // parse_options() says what is missing
    }
    if (wants_next) {
      options.push_back(words[++i]);
    }
  }
  options.emplace_back("--");
  options.insert(options.end(), operands.begin(), operands.end());
  return options;
}

}  // namespace xdpcap::cli
