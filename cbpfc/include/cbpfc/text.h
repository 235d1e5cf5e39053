// SPDX-License-Identifier: BSD-3-Clause
//
// Classic programs as text, in and out, in the three forms of tcpdump and the one-line form that
// xdpcap takes in place of an expression:
//
//     Listing   tcpdump -d      (000) ldh      [12]
//     CArray    tcpdump -dd     { 0x28, 0, 0, 0x0000000c },
//     Decimal   tcpdump -ddd    4\n40 0 0 12\n...
//     OneLine                   4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0
//
// Source: libpcap 1.10.3 bpf_image.c bpf_image(), bpf_dump.c bpf_dump().

#pragma once

#include <cbpfc/cbpf.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cbpfc {

enum class TextForm : std::uint8_t { Listing, CArray, Decimal, OneLine };

/// Whether `text` is one of the forms above rather than a filter expression.
bool looks_like_program(std::string_view text);

/// Reads a program in whichever form it is; says nothing about its validity.
/// Errors: Errc::Syntax with line and column; also when a stated count disagrees with the
/// instructions.
Result<std::vector<RawInsn>> parse_program(std::string_view text);

/// Prints a program; Listing, CArray and Decimal are byte for byte what libpcap's bpf_dump()
/// prints.
std::string print_program(std::span<const RawInsn> program, TextForm form);

}  // namespace cbpfc
