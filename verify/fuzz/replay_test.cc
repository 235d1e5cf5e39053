// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a fuzz target over what is kept in its corpus: seeds, and bytes on which it once failed.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "verify/fuzz/fuzz.h"

namespace {

TEST(Replay, CorpusDoesNotFail) {
  const std::filesystem::path corpus = FUZZ_CORPUS;
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    SCOPED_TRACE(entry.path().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
    ASSERT_FALSE(file.bad());
    // A failure aborts: say first in which file.
    std::fprintf(stderr, "%s\n", entry.path().filename().c_str());
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    ++files;
  }
  EXPECT_GE(files, 10U) << "the corpus is gone: " << corpus;
}

}  // namespace
