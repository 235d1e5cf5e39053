// SPDX-License-Identifier: BSD-3-Clause
//
// Handles a variant with one lambda a kind; a kind without a lambda does not compile.

#pragma once

namespace cbpfc {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

}  // namespace cbpfc
