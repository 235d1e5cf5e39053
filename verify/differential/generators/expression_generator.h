// SPDX-License-Identifier: BSD-3-Clause
//
// Random filter expressions, as people and their scripts write them:
//
//     (tcp dst port 443 or vlan 100) and not ip[6:2] & 0x1fff != 0
//     host 192.0.2.7 or host 192.0.2.9 or ... (some hundred more)
//
// Not all of them make sense, and libpcap refuses some ("ip6 and ip[8] = 1" among them).

#pragma once

#include <string>

#include "verify/differential/generators/dice.h"

namespace differential {

class ExpressionGenerator {
 public:
  explicit ExpressionGenerator(std::uint64_t seed) : dice_(seed) {}

  /// Tests nested `depth` deep at most.
  std::string expression(std::uint32_t depth);

  /// `terms` tests of one kind, any of which may hold, perhaps behind another condition.
  std::string list(std::uint32_t terms);

 private:
  std::string address();
  std::string address6();
  std::string port();
  std::string primitive();
  std::string comparison();
  std::string arithmetic(std::uint32_t depth);
  std::string field();
  std::string term(std::uint32_t kind);

  Dice dice_;
};

}  // namespace differential
