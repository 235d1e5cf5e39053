// SPDX-License-Identifier: BSD-3-Clause
//
// Filters and packets that several tests of the command use.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cbpfc/command/subject.h"

namespace command::test {

/// An Ethernet header alone.
inline const std::vector<std::uint8_t> kIpv4 = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
inline const std::vector<std::uint8_t> kIpv6 = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd};

/// One filter of an expression or program.
inline Subject subject(const std::string& text) {
  auto source = compile_source(text, {}, cbpfc::PacketSource::Live, true);
  EXPECT_TRUE(source) << text << ": " << source.error().message;
  return {.sources = {std::move(*source)}, .is_set = false};
}

/// Several.
inline Subject set(const std::vector<std::string>& texts) {
  Subject all{.sources = {}, .is_set = true};
  for (const std::string& text : texts) {
    all.sources.push_back(std::move(subject(text).sources.front()));
  }
  return all;
}

}  // namespace command::test
