// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/cbpfc_errors.h"

#include <cbpfc/compile.h>
#include <cbpfc/compile_c.h>
#include <gtest/gtest.h>

namespace command {
namespace {

using cbpfc::Errc;

TEST(CbpfcErrors, OptionsAreThoseOfTheCommand) {
  const struct {
    Errc code;
    const char* option;
    const char* message;
  } cases[] = {
      {Errc::InvalidArgument, "packet_end", "option --packet-end: why"},
      {Errc::InvalidArgument, "packet_start_offset_bytes", "option --start-offset: why"},
      {Errc::InvalidArgument, "packet_start", "option --packet-start: why"},
      {Errc::InvalidArgument, "working", "option --working: why"},
      {Errc::InvalidArgument, "ancillary.context", "option --ancillary context=REG: why"},
      {Errc::Unsupported, "ancillary.from_frame",
       "why; --ancillary frame reads it from the Ethernet frame"},
      {Errc::Unsupported, "packet_end", "why"},
      {Errc::InvalidArgument, "", "why"},
      {Errc::InvalidArgument, "an option the command does not have", "why"},
  };
  for (const auto& one : cases) {
    const cbpfc::Error spelled = in_words_of_command({.code = one.code,
                                                      .message = "why",
                                                      .detail = "log",
                                                      .sys_errno = 0,
                                                      .option = one.option});
    EXPECT_EQ(spelled.message, one.message);
    EXPECT_EQ(spelled.code, one.code);
    EXPECT_EQ(spelled.detail, "log");
  }
}

// Text that looks like an option's name, in a filter or a file's name, is left alone.
TEST(CbpfcErrors, TextIsNotSearched) {
  const cbpfc::Error error{.code = Errc::InvalidArgument,
                           .message = "file option result: is already packet_end",
                           .detail = {},
                           .sys_errno = 0};
  EXPECT_EQ(in_words_of_command(error).message, error.message);
}

}  // namespace
}  // namespace command
