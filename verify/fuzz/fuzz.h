// SPDX-License-Identifier: BSD-3-Clause
//
// What the fuzz targets share.
//
// A target is a function of any bytes that aborts when something is wrong.  libFuzzer looks for bytes on
// which it does (the `fuzz` preset); replay_test.cc runs those kept in corpus/TARGET in every build.
// Bytes that once failed are kept there.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

/// The entry point of libFuzzer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

inline void require(bool condition, const std::string& otherwise) {
  if (!condition) {
    std::fprintf(stderr, "%s\n", otherwise.c_str());
    std::abort();
  }
}

/// The bytes as an array of struct sock_filter; a rest is left out.
inline std::vector<cbpfc::RawInsn> as_program(std::span<const std::uint8_t> bytes) {
  std::vector<cbpfc::RawInsn> program(bytes.size() / sizeof(cbpfc::RawInsn));
  if (!program.empty()) {
    std::memcpy(program.data(), bytes.data(), program.size() * sizeof(cbpfc::RawInsn));
  }
  return program;
}

}  // namespace fuzz
