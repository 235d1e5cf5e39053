// SPDX-License-Identifier: BSD-3-Clause
//
// Golden files: inputs with what is made of them, compared whole.
//
//     === two words of one address                  a case and its name
//     gather merge                                  parameters, on one line
//     ---
//       0: p32[26]  0xa -> 1  else -> 2             input
//       ...
//     ---
//       0: p32[26]  0xa -> 1  0xb -> 1  else -> 2   output, up to the next case
//
// Lines before the first case are comments.  To write the outputs anew and look at the difference:
//
//     UPDATE_GOLDEN=1 build/dev/tests/golden_test; git diff cbpfc/tests/golden

#pragma once

#include <functional>
#include <string>

namespace golden {

/// Makes the output of one case.
using Maker = std::function<std::string(const std::string& parameters, const std::string& input)>;

/// Compares every file of tests/golden/`folder` with what `make` makes of its inputs, or writes it anew.
void expect_golden(const std::string& folder, const Maker& make);

}  // namespace golden
