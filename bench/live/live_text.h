// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers out of what others print: a capture's last line, /proc.  Pure.
//
// Tested by: bench/tests/live_text_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace bench {

/// What a reader says at its end.
struct Totals {
  std::optional<std::uint64_t> received = std::nullopt;
  std::optional<std::uint64_t> matched = std::nullopt;
  std::uint64_t held_back = 0;
  std::uint64_t written = 0;
  std::uint64_t lost = 0;
  std::uint64_t unwritten = 0;
};

/// The totals in the last line of what xdpcap or the perf reader printed:
///
///     10 packets received, 8 matched, 2 held back, 5 written, 1 lost, 0 not written
///     10 packets received, 8 matched
///     5 written, 1 lost
///
/// Errors: Errc::Syntax with the line when it is anything else.
cbpfc::Result<Totals> parse_totals(std::string_view text);

/// The same of tcpdump's three last lines; "received by filter" counts what the socket was offered.
cbpfc::Result<Totals> parse_tcpdump_totals(std::string_view text);

/// Bytes of a process's memory, of /proc/<pid>/smaps, in mappings of ring buffers: of BPF, of perf events, of packet
/// sockets.  A page that is mapped twice counts twice, as it does in the process's resident size.
std::uint64_t resident_ring_bytes(std::string_view smaps);

/// A line of /proc/<pid>/status in bytes, such as "VmRSS"; 0 when it is not there.
std::uint64_t status_bytes(std::string_view status, std::string_view name);

/// Packets an interface received, of /proc/net/dev.
/// Errors: Errc::NotFound.
cbpfc::Result<std::uint64_t> received_packets(std::string_view net_dev, std::string_view interface);

}  // namespace bench
