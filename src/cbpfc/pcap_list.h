// SPDX-License-Identifier: BSD-3-Clause
//
// Long lists, cut into parts that libpcap compiles in no time.
//
// libpcap takes time that grows with the square of a list's length: a thousand hosts take three seconds,
// without its optimiser.  But "a or b or c or d" means what "a or b" and "c or d" mean one behind the
// other, so
//
//     host a or host b or host c or host d   ->   host a or host b
//                                                 host c or host d
//
// Parts begin only where a term names what it looks for, because "port 80 or 443" means "port 443"; not at all
// where "and" stands beside "or" outside of brackets; and not in expressions with words that change what the
// words behind them mean (vlan, mpls, ...).
//
// Source: libpcap 1.10.3 grammar.y (qualifiers are inherited by bare values, "and" and "or" bind alike),
// gencode.c gen_vlan().
// Tested by: pcap_list_test.cc.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cbpfc {

/// The words of an expression, as offsets into it.
struct Word {
  std::size_t start;
  std::size_t end;
};

/// The parts of a list of more than `most_terms` alternatives, at least that long each but the last; empty
/// for what is no such list.
std::vector<std::string> list_parts(std::string_view expression, std::span<const Word> words,
                                    std::size_t most_terms);

}  // namespace cbpfc
