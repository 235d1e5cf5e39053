// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/cbpfc_errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace command {

namespace {

struct Spelling {
  std::string_view name;     ///< in the library
  std::string_view spelled;  ///< in --help
  std::string_view help;     ///< what it does for a filter that is refused without it
};

constexpr std::array kSpellings = std::to_array<Spelling>({
    {"packet_start", "--packet-start", ""},
    {"packet_end", "--packet-end", ""},
    {"packet_length", "--packet-length", ""},
    {"packet_start_offset_bytes", "--start-offset", ""},
    {"result", "--result", ""},
    {"working", "--working", ""},
    {"spare", "--spare", ""},
    {"stack_offset_bytes", "--stack-offset", ""},
    {"buffer_size_bytes", "--buffer-size", ""},
    {"function_name", "--function", ""},
    {"match_label", "--branch", ""},
    {"ancillary", "--ancillary", ""},
    {"ancillary.from_frame", "--ancillary frame", "reads it from the Ethernet frame"},
    {"ancillary.helpers", "--ancillary helpers", "allows the call that gives it"},
    {"ancillary.context", "--ancillary context=REG",
     "names the register with the struct xdp_md that has it"},
});

}  // namespace

cbpfc::Error in_words_of_command(cbpfc::Error error) {
  const auto* spelling = std::ranges::find(kSpellings, error.option, &Spelling::name);
  if (spelling == kSpellings.end()) {
    return error;
  }
  if (error.code == cbpfc::Errc::InvalidArgument) {
    error.message = fmt::format("option {}: {}", spelling->spelled, error.message);
  } else if (!spelling->help.empty()) {
    error.message = fmt::format("{}; {} {}", error.message, spelling->spelled, spelling->help);
  }
  return error;
}

}  // namespace command
