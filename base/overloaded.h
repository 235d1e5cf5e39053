// SPDX-License-Identifier: BSD-3-Clause
//
// Handles a variant with one lambda a kind; a kind without a lambda does not compile.

#pragma once

#include <type_traits>

namespace cbpfc {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

/// T, const if N is: for lambdas that take the kinds of a variant N.
template <typename N, typename T>
using Like = std::conditional_t<std::is_const_v<N>, const T, T>;

}  // namespace cbpfc
