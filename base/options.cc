// SPDX-License-Identifier: BSD-3-Clause

#include "base/options.h"

#include <fmt/format.h>
#include <getopt.h>

#include <cstddef>
#include <string_view>

#include "base/numbers.h"

namespace xdpcap::cli {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

constexpr int kFirstLongValue = 256;  // beyond any letter
constexpr std::size_t kHelpColumn = 26;

struct Tables {
  std::string short_options = "+:";  // stop at the first operand; tell a missing argument apart
  std::vector<option> long_options;
};

Tables make_tables(const std::vector<Option>& table) {
  Tables tables;
  int value = kFirstLongValue;
  for (const Option& row : table) {
    const bool has_argument = !row.argument.empty();
    tables.long_options.push_back({.name = row.name.c_str(),
                                   .has_arg = has_argument ? required_argument : optional_argument,
                                   .flag = nullptr,
                                   .val = value++});
    if (row.short_name != 0) {
      tables.short_options += row.short_name;
      tables.short_options += has_argument ? ":" : "";
    }
  }
  tables.long_options.push_back({});
  return tables;
}

// "--linktype=EN10MB" -> "linktype".
std::string_view option_name(std::string_view word) {
  word.remove_prefix(word.starts_with("--") ? 2 : 1);
  return word.substr(0, word.find('='));
}

const Option* find_row(const std::vector<Option>& table, int value) {
  if (value >= kFirstLongValue) {
    return &table[static_cast<std::size_t>(value - kFirstLongValue)];
  }
  for (const Option& row : table) {
    if (row.short_name != 0 && row.short_name == value) {
      return &row;
    }
  }
  return nullptr;
}

// getopt takes any unambiguous beginning of a name for the name; we do not.
bool is_spelled_out(const Option& row, std::string_view word, int value) {
  const std::string_view name = option_name(word);
  if (value < kFirstLongValue) {
    return word.size() == 2 || !row.argument.empty();  // "-s 96" and "-s96", not a heap of switches
  }
  return name == row.name || (name.size() == 1 && name.front() == row.short_name);
}

}  // namespace

std::function<Result<void>(std::string_view)> into(std::string& target) {
  return [&target](std::string_view text) -> Result<void> {
    target = text;
    return {};
  };
}

std::function<Result<void>(std::string_view)> into(bool& target) {
  return [&target](std::string_view text) -> Result<void> {
    target = TRY(parse_bool(text));
    return {};
  };
}

std::string spell_option(std::string_view name, Dashes dashes) {
  return fmt::format("{}{}", dashes == Dashes::Two && name.size() > 1 ? "--" : "-", name);
}

Result<std::vector<std::string>> parse_options(const std::vector<Option>& table, int argc,
                                               char** argv, Dashes dashes) {
  const Tables tables = make_tables(table);
  opterr = 0;
  optind = 0;  // glibc: start anew
  while (true) {
    const int word_index = optind == 0 ? 1 : optind;
    const int value = ::getopt_long_only(argc, argv, tables.short_options.c_str(),
                                         tables.long_options.data(), nullptr);
    if (value == -1) {
      break;
    }
    const std::string_view word = argv[word_index];
    if (value == ':') {
      return fail(Errc::InvalidArgument, fmt::format("option {} needs an argument",
                                                     spell_option(option_name(word), dashes)));
    }
    const Option* row = value == '?' ? nullptr : find_row(table, value);
    if (row == nullptr || !is_spelled_out(*row, word, value)) {
      return fail(Errc::InvalidArgument, fmt::format("unknown option {}", word));
    }
    TRY(row->set(optarg == nullptr ? std::string_view("true") : std::string_view(optarg))
            .with_context("option " + spell_option(row->name, dashes)));
  }
  return std::vector<std::string>(argv + optind, argv + argc);
}

std::string options_help(const std::vector<Option>& table, Dashes dashes) {
  std::string text;
  for (const Option& row : table) {
    std::string left = "  ";
    if (row.short_name != 0) {
      left += fmt::format("-{}, ", row.short_name);
    }
    left += fmt::format("{}{}{}", spell_option(row.name, dashes), row.argument.empty() ? "" : " ",
                        row.argument);
    text += left;
    std::size_t column = left.size();
    for (std::size_t start = 0; start < row.help.size();) {
      const std::size_t end = std::min(row.help.find('\n', start), row.help.size());
      if (column + 1 > kHelpColumn) {
        text += '\n';
        column = 0;
      }
      text.append(kHelpColumn - column, ' ');
      text.append(row.help, start, end - start);
      text += '\n';
      column = 0;
      start = end + 1;
    }
  }
  return text;
}

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
