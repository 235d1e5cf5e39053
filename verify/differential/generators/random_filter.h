// SPDX-License-Identifier: BSD-3-Clause
//
// Random filters of a few terms, and packets of the same small vocabulary, so that many packets meet some terms of a
// filter and miss others:
//
//     not src host 10.1.2.3 and (tcp port 80 or len > 60) or 1 / 2 = 1 / 3
//
// A filter is kept as a tree, so that one on which something fails can be made smaller by leaving terms out.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "verify/differential/engines/engines.h"
#include "verify/differential/generators/dice.h"

namespace differential {

/// A term, or a list of some in brackets.
struct RandomFilter {
  bool is_negated = false;
  std::string term = {};                    ///< empty: a list
  std::vector<RandomFilter> children = {};  ///< of a list, at least one
  std::vector<bool> joined_by_and = {};     ///< between the children; otherwise "or"

  std::string text(bool is_outermost = true) const;
};

/// A filter of so many terms.
RandomFilter random_filter(Dice& dice, std::uint32_t terms);

/// A frame that some terms match, now and then cut.
Packet random_packet(Dice& dice);

/// The filter with as little as `fails` needs.  Requires: fails(filter).
RandomFilter shrink(RandomFilter filter, const std::function<bool(const RandomFilter&)>& fails);

}  // namespace differential
