// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: tests/golden/c_options, cbpfc_object_test.cc.

#include "function_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace cbpfc {
namespace {

/// Words that no function can be named after.  Source: ISO C23 6.4.1, the keywords that gcc and clang add
/// by default, and the names of types that the text itself uses.
constexpr std::array kTaken = std::to_array<std::string_view>({"alignas",
                                                               "alignof",
                                                               "asm",
                                                               "auto",
                                                               "bool",
                                                               "break",
                                                               "case",
                                                               "char",
                                                               "const",
                                                               "constexpr",
                                                               "continue",
                                                               "default",
                                                               "do",
                                                               "double",
                                                               "else",
                                                               "enum",
                                                               "extern",
                                                               "false",
                                                               "float",
                                                               "for",
                                                               "goto",
                                                               "if",
                                                               "inline",
                                                               "int",
                                                               "long",
                                                               "nullptr",
                                                               "register",
                                                               "restrict",
                                                               "return",
                                                               "short",
                                                               "signed",
                                                               "sizeof",
                                                               "static",
                                                               "static_assert",
                                                               "struct",
                                                               "switch",
                                                               "thread_local",
                                                               "true",
                                                               "typedef",
                                                               "typeof",
                                                               "typeof_unqual",
                                                               "union",
                                                               "unsigned",
                                                               "void",
                                                               "volatile",
                                                               "while",
                                                               "_Alignas",
                                                               "_Alignof",
                                                               "_Atomic",
                                                               "_BitInt",
                                                               "_Bool",
                                                               "_Complex",
                                                               "_Decimal128",
                                                               "_Decimal32",
                                                               "_Decimal64",
                                                               "_Generic",
                                                               "_Imaginary",
                                                               "_Noreturn",
                                                               "_Static_assert",
                                                               "_Thread_local",
                                                               "uint8_t",
                                                               "uint16_t",
                                                               "uint32_t",
                                                               "uint64_t"});

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string function_name_fault(std::string_view name) {
  const auto fault = [&](std::string_view why) { return fmt::format(R"("{}" {})", name, why); };
  if (name.empty()) {
    return "it is empty";
  }
  if (is_digit(name.front()) ||
      !std::ranges::all_of(name, [](char c) { return is_letter(c) || is_digit(c); })) {
    return fault("is not an identifier of C: use letters, digits and _, and no digit first");
  }
  if (std::ranges::find(kTaken, name) != kTaken.end()) {
    return fault("is a word of C: choose another name");
  }
  if (name.starts_with("__")) {
    return fault("begins with __, which is the compiler's: choose another name");
  }
  if (name.starts_with("CBPFC_") || name.starts_with("cbpfc_")) {
    return fault("may clash with the macros of the text: choose another name");
  }
  return {};
}

}  // namespace cbpfc
