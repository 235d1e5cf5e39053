// SPDX-License-Identifier: BSD-3-Clause
//
// An <output> that was meant as the filter.
//
//     xdpcap HOOK udp port 9          would write a file "udp", of packets that match "port 9"
//
// The original and tcpdump take the filter where xdpcap has its file, so a word left out must not become a file that is
// not looked at, or is overwritten.  An <output> is refused when it is an expression, or begins one with the filter behind
// it ("port" with "9"), unless it can only be a file:
//
//     capture.pcap, x.pcapng      by its end
//     ./udp, dir/udp              in a directory that exists; the way to insist
//     udp                         if there is something of that name already
//
// libpcap says what is an expression, but it would ask name servers about other words ("capture").  Hence it is first
// asked whether it knows the first word: "ifname WORD", in the language of pflog, takes all words but those.
//
// Tested by: xdpcap/tests/cli/usage.bats.

#pragma once

#include "xdpcap/command/xdpcap_options.h"

namespace xdpcap {

/// Refuses an output that is blank, or was most likely meant as filter; with the command that was meant.
/// Errors: Errc::InvalidArgument.
Result<void> check_output_name(const XdpcapOptions& options);

}  // namespace xdpcap
