// SPDX-License-Identifier: BSD-3-Clause
//
// Names that a function may have in C, in the outputs that have one.

#pragma once

#include <string>
#include <string_view>

namespace cbpfc {

/// What is wrong with a function's name, and what to do; empty if it is good.
std::string function_name_fault(std::string_view name);

}  // namespace cbpfc
