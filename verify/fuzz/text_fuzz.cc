// SPDX-License-Identifier: BSD-3-Clause
//
// Programs as text: any text parses or is refused with a place, and what is printed parses to the same.

#include <cbpfc/text.h>

#include <algorithm>
#include <string>

#include "verify/fuzz/fuzz.h"

namespace {

using cbpfc::RawInsn;
using cbpfc::TextForm;

void expect_round_trip(const std::vector<RawInsn>& program) {
  for (const TextForm form : {TextForm::CArray, TextForm::Decimal, TextForm::OneLine}) {
    const std::string text = cbpfc::print_program(program, form);
    const auto again = cbpfc::parse_program(text);
    // A program without instructions prints as nothing in a form that has no count.
    fuzz::require(again.has_value() || program.empty(), "not parsed: " + text);
    fuzz::require(!again || *again == program, "parsed to another program: " + text);
  }
  // A listing does not show everything, but what it shows it shows again.
  const std::string listing = cbpfc::print_program(program, TextForm::Listing);
  const auto listed = cbpfc::parse_program(listing);
  fuzz::require(!listed || cbpfc::print_program(*listed, TextForm::Listing) == listing,
                "lists differently: " + listing);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto program = cbpfc::parse_program(text);
  if (program) {
    fuzz::require(cbpfc::looks_like_program(text), "parses, but does not look like a program");
    expect_round_trip(*program);
  } else {
    const std::string& message = program.error().message;
    fuzz::require(program.error().code == cbpfc::Errc::Syntax, "another code: " + message);
    fuzz::require(message.starts_with("program, line ") && message.find('\n') == std::string::npos,
                  "no place, or more than a line: " + message);
  }
  constexpr std::size_t kMostBytes = 256;
  expect_round_trip(fuzz::as_program({data, std::min(size, kMostBytes)}));
  return 0;
}
