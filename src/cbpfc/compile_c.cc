// SPDX-License-Identifier: BSD-3-Clause
//
// The compiler to C from end to end, and the check of what a caller may ask of it.
// Tested by: compile_c_test.cc.

#include <cbpfc/compile.h>
#include <cbpfc/compile_c.h>
#include <cbpfc/text.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <sstream>
#include <string_view>

#include "emit_c.h"
#include "passes.h"

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

std::unexpected<Error> invalid_option(std::string_view option, const std::string& why) {
  return fail(Errc::InvalidArgument,
              fmt::format("compile filter to C: option {}: {}", option, why));
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

Result<void> check_function_name(const std::string& name) {
  const auto refuse = [&](std::string_view why) {
    return invalid_option("function_name", fmt::format(R"("{}" {})", name, why));
  };
  if (name.empty()) {
    return invalid_option("function_name", "it is empty");
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (is_digit(name.front()) ||
      !std::ranges::all_of(name, [&](char c) { return is_letter(c) || is_digit(c); })) {
    return refuse("is not an identifier of C: use letters, digits and _, and no digit first");
  }
  if (std::ranges::find(kTaken, name) != kTaken.end()) {
    return refuse("is a word of C: choose another name");
  }
  if (name.starts_with("__")) {
    return refuse("begins with __, which is the compiler's: choose another name");
  }
  if (name.starts_with("CBPFC_") || name.starts_with("cbpfc_")) {
    return refuse("may clash with the macros of the text: choose another name");
  }
  return {};
}

Result<void> check_options(const COptions& options) {
  TRY(check_function_name(options.function_name));
  if (options.packet_start_offset_bytes > kMostPacketStartOffset) {
    return invalid_option("packet_start_offset_bytes",
                          fmt::format("{} is more than {}", options.packet_start_offset_bytes,
                                      kMostPacketStartOffset));
  }
  return {};
}

/// The filter's listing, as the lines of a comment.
std::string listing_comment(const Filter& filter) {
  std::istringstream listing(print_program(filter.encode(), TextForm::Listing));
  std::string text;
  for (std::string line; std::getline(listing, line);) {
    text += fmt::format(" * {}\n", line);
  }
  return text;
}

}  // namespace

Result<std::string> compile_c(const Filter& filter, const COptions& options) {
  TRY(check_options(options));
  // The text's macros know the limits of BPF; on a host there are none.
  constexpr std::uint32_t kMaxOffset = std::numeric_limits<std::uint32_t>::max();
  Cfg cfg = TRY(build_cfg(filter, kMaxOffset).with_context("compile filter to C"));
  run_passes(cfg, kMaxOffset);
  remove_dead_steps(cfg);
  return fmt::format("/*\n * {}: a filter compiled by cbpfc\n *\n{} */\n{}\n{}",
                     options.function_name, listing_comment(filter), kCPreamble,
                     emit_c(cfg, options));
}

}  // namespace cbpfc
