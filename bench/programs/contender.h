// SPDX-License-Identifier: BSD-3-Clause
//
// Who competes.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "bench/programs/per_enum.h"

namespace bench {

enum class Contender : std::uint8_t {
  Plain,         ///< EbpfOptions::optimize = false: without the passes over the graph
  Optimized,     ///< EbpfOptions::optimize = true, from what libpcap makes without its optimiser
  AfterLibpcap,  ///< the same, from what libpcap's optimiser makes, as the others
  Clang,         ///< clang -O2 -mcpu=v3 on the C output
};
inline constexpr std::array kContenders = {Contender::Plain, Contender::Optimized,
                                           Contender::AfterLibpcap, Contender::Clang};
template <typename T>
using PerContender = PerEnum<T, kContenders.size(), Contender>;

constexpr std::string_view name(Contender contender) {
  constexpr std::array<std::string_view, 4> kNames = {"unoptimised", "optimised", "after libpcap",
                                                      "clang"};
  return kNames[static_cast<std::size_t>(contender)];
}

}  // namespace bench
