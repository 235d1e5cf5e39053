// SPDX-License-Identifier: BSD-3-Clause
//
// The compiler to C from end to end, and the check of what a caller may ask of it.
// Tested by: cbpfc/tests/golden/c, cbpfc/tests/golden/c_options, verify/tests/kernel/object_test.cc.

#include <cbpfc/compile.h>
#include <cbpfc/compile_c.h>
#include <cbpfc/text.h>
#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string_view>

#include "cbpfc/compile/optimize.h"
#include "cbpfc/emit/c/emit_c.h"
#include "cbpfc/graph/lift.h"

namespace cbpfc {
namespace {

/// Words that no function can be named after, each between blanks.  Source: ISO C23 6.4.1, the keywords that gcc and clang
/// add by default, and the names of types that the text itself uses.
constexpr std::string_view kTaken =
    " alignas alignof asm auto bool break case char const constexpr continue default do "
    "double else enum extern false float for goto if inline int long nullptr register "
    "restrict return short signed sizeof static static_assert struct switch thread_local "
    "true typedef typeof typeof_unqual union unsigned void volatile while _Alignas "
    "_Alignof _Atomic _BitInt _Bool _Complex _Decimal128 _Decimal32 _Decimal64 _Generic "
    "_Imaginary _Noreturn _Static_assert _Thread_local uint8_t uint16_t uint32_t "
    "uint64_t ";

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::unexpected<Error> invalid_c_option(std::string_view option, const std::string& why) {
  return fail_option(Errc::InvalidArgument, std::string(option),
                     fmt::format("compile filter to C: {}", why));
}

Result<void> check_options(const COptions& options) {
  if (const std::string fault = function_name_fault(options.function_name); !fault.empty()) {
    return invalid_c_option("function_name", fault);
  }
  if (options.packet_start_offset_bytes > kMostPacketStartOffset) {
    return invalid_c_option("packet_start_offset_bytes",
                            fmt::format("{} is more than {}", options.packet_start_offset_bytes,
                                        kMostPacketStartOffset));
  }
  if (options.ancillary.context || options.ancillary.helpers) {
    return invalid_c_option("ancillary",
                            "in C only what is read from the frame has a meaning; registers and "
                            "calls are of eBPF");
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

std::string function_name_fault(std::string_view name) {
  const auto fault = [&](std::string_view why) { return fmt::format(R"("{}" {})", name, why); };
  if (name.empty()) {
    return "it is empty";
  }
  if (is_digit(name.front()) ||
      !std::ranges::all_of(name, [](char c) { return is_letter(c) || is_digit(c); })) {
    return fault("is not an identifier of C: use letters, digits and _, and no digit first");
  }
  if (kTaken.contains(fmt::format(" {} ", name))) {
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

Result<std::string> compile_c(const Filter& filter, const COptions& options) {
  TRY(check_options(options));
  // The text's macros know the limits of BPF; on a host there are none.
  const optimizer::PacketRules rules{.max_packet_offset = std::numeric_limits<std::uint32_t>::max(),
                                     .length_is_bytes = !options.packet_length};
  const Cfg cfg = TRY(build_cfg(filter, rules.max_packet_offset, options.ancillary)
                          .with_context("compile filter to C"));
  optimizer::Graph graph = optimizer::lift_filter(cfg, rules);
  if (options.optimize) {
    optimizer::run_phases(graph, rules);
  }
  return fmt::format("/*\n * {}: a filter compiled by cbpfc\n *\n{} */\n{}\n{}",
                     options.function_name, listing_comment(filter), kCPreamble,
                     emit_c(graph, options));
}

}  // namespace cbpfc
