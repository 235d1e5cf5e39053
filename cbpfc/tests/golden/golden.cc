// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/tests/golden/golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace golden {
namespace {

/// Takes the lines of `in` up to one that is `end` or begins a case; what is left begins with that line.
std::string take_section(std::string& in, const std::string& end) {
  std::size_t at = 0;
  while (at < in.size() && !in.substr(at).starts_with(end) && !in.substr(at).starts_with("=== ")) {
    at = std::min(in.find('\n', at), in.size() - 1) + 1;
  }
  std::string section = in.substr(0, at);
  in.erase(0, at);
  return section;
}

/// The file as it should be.
std::string remade(std::string text, const Maker& make) {
  std::string result = take_section(text, "=== ");
  bool is_first = true;
  while (!text.empty()) {
    const std::string title = text.substr(0, text.find('\n') + 1);
    SCOPED_TRACE(title);
    text.erase(0, title.size());
    const std::string parameters = take_section(text, "---\n");
    text.erase(0, 4);
    const std::string input = take_section(text, "---\n");
    take_section(text, "=== ");
    result += is_first ? "" : "\n";
    is_first = false;
    result += title + parameters + "---\n" + input + "---\n" +
              make(parameters.substr(0, parameters.find('\n')), input);
  }
  return result;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file) << path;
  return text.str();
}

}  // namespace

void expect_golden(const std::string& folder, const Maker& make) {
  const bool is_update = std::getenv("UPDATE_GOLDEN") != nullptr;
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_FILES "/" + folder)) {
    files.insert(entry.path());
  }
  EXPECT_FALSE(files.empty());
  for (const std::filesystem::path& path : files) {
    SCOPED_TRACE(path.string());
    const std::string text = read(path);
    const std::string made = remade(text, make);
    if (is_update) {
      std::ofstream(path) << made;
    } else {
      EXPECT_EQ(made, text);
    }
  }
}

}  // namespace golden
