// SPDX-License-Identifier: BSD-3-Clause

#include "tools/cbpfc_errors.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace command {

namespace {

/// As they stand in messages; the first that fits is taken.
constexpr std::array kOptions = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"packet_start_offset_bytes", "--start-offset"},
    {"packet_start", "--packet-start"},
    {"packet_end", "--packet-end"},
    {"packet_length", "--packet-length"},
    {"result", "--result"},
    {"working", "--working"},
    {"spare", "--spare"},
    {"stack_offset_bytes", "--stack-offset"},
    {"buffer_size_bytes", "--buffer-size"},
    {"access", "--access"},
    {"ancillary.from_frame", "--ancillary frame"},
    {"ancillary.helpers", "--ancillary helpers"},
    {"ancillary.context", "--ancillary context=REG"},
    {"ancillary", "--ancillary"},
    {"function_name", "--function"},
});

void spell_behind(std::string& message, std::string_view marker) {
  for (std::size_t place = message.find(marker); place != std::string::npos;
       place = message.find(marker, place)) {
    place += marker.size();
    for (const auto& [name, spelled] : kOptions) {
      if (std::string_view(message).substr(place).starts_with(name)) {
        message.replace(place, name.size(), spelled);
        break;
      }
    }
  }
}

}  // namespace

cbpfc::Error in_words_of_command(cbpfc::Error error) {
  spell_behind(error.message, "option ");
  spell_behind(error.message, "is already ");
  return error;
}

}  // namespace command
