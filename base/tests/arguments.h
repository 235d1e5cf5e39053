// SPDX-License-Identifier: BSD-3-Clause
//
// A command line for a test: argv as main() gets it.

#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace xdpcap::test {

class Arguments {
 public:
  Arguments(std::initializer_list<const char*> words)
      : Arguments(std::vector<std::string>(words.begin(), words.end())) {}
  explicit Arguments(const std::vector<std::string>& words) : words_{"program"} {
    words_.insert(words_.end(), words.begin(), words.end());
    for (std::string& word : words_) {
      pointers_.push_back(word.data());
    }
    pointers_.push_back(nullptr);
  }
  int argc() const { return static_cast<int>(words_.size()); }
  char** argv() { return pointers_.data(); }

 private:
  std::vector<std::string> words_;
  std::vector<char*> pointers_;
};

}  // namespace xdpcap::test
