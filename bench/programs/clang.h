// SPDX-License-Identifier: BSD-3-Clause
//
// clang as the rival: C in, instructions of each program out.

#pragma once

#include <cbpfc/result.h>

#include <string>
#include <string_view>
#include <vector>

#include "bench/programs/programs.h"

namespace bench {

class Clang {
 public:
  /// Finds `command`, or, if that is empty, the newest of clang-22 to clang-14 and clang.
  /// Errors: Errc::NotFound.
  static cbpfc::Result<Clang> find(const std::string& command);

  /// "clang-19, Debian clang version 19.1.7 (3~deb12u1)".
  const std::string& description() const { return description_; }

  struct Function {
    std::string name;
    Program insns;
  };

  /// Compiles C with -O2 -mcpu=v3 for BPF; each program is a function in a section "xdp/NAME".
  /// Errors: Errc::InvalidProgram with clang's words; Errc::Io.
  cbpfc::Result<std::vector<Function>> compile(std::string_view source) const;

 private:
  Clang(std::string command, std::string description)
      : command_(std::move(command)), description_(std::move(description)) {}

  std::string command_;
  std::string description_;
};

}  // namespace bench
