// SPDX-License-Identifier: BSD-3-Clause

#include "tools/cbpfc_errors.h"

#include <gtest/gtest.h>

namespace command {
namespace {

TEST(CbpfcErrors, OptionsAreThoseOfTheCommand) {
  const struct {
    const char* library;
    const char* command;
  } cases[] = {
      {"compile filter: option packet_end: R10 is not one",
       "compile filter: option --packet-end: R10 is not one"},
      {"option packet_start_offset_bytes: 9", "option --start-offset: 9"},
      {"option packet_start: 9", "option --packet-start: 9"},
      {"option working[0]: R2 is already packet_start",
       "option --working[0]: R2 is already --packet-start"},
      {"no meaning; option ancillary.from_frame reads it",
       "no meaning; option --ancillary frame reads it"},
      {"option packet_end: x; option result: y", "option --packet-end: x; option --result: y"},
      {"option --to: x", "option --to: x"},
      {"option ", "option "},
      {"nothing to see", "nothing to see"},
  };
  for (const auto& one : cases) {
    const cbpfc::Error error{.code = cbpfc::Errc::Kernel, .message = one.library, .detail = "log"};
    const cbpfc::Error spelled = in_words_of_command(error);
    EXPECT_EQ(spelled.message, one.command);
    EXPECT_EQ(spelled.code, error.code);
    EXPECT_EQ(spelled.detail, error.detail);
  }
}

}  // namespace
}  // namespace command
