// SPDX-License-Identifier: BSD-3-Clause
//
// The numbers of a capture for other programs: JSON, one object a line, and the Prometheus text format.
//
//     {"time_ns":1764212345000000000,"hook":"/sys/fs/bpf/hook","received":12,"matched":7,"held_back":0,
//      "overwritten":0,"in_memory":0,"written":7,"lost":0,"unwritten":0,"actions":{"XDPDrop":{"received":12,...,"cpus":[
//      {"cpu":0,"received":5,"matched":3,"held_back":0,"lost":0},...]}}}
//
//     xdpcap_received_packets_total{hook="/sys/fs/bpf/hook",action="XDPDrop",cpu="0"} 5
//     xdpcap_written_packets_total{hook="/sys/fs/bpf/hook",action="XDPDrop"} 7
//
// In JSON a CPU that has received nothing is left out; Prometheus wants series that are there from the start.
// Numbers are counters, which only grow while a capture lasts, but for packets in memory and those not yet written.
//
// Source: RFC 8259; Prometheus documentation, "Exposition formats", text format 0.0.4.
// Tested by: xdpcap/tests/command/statistics_text_test.cc.

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "xdpcap/capture/accounting.h"

namespace xdpcap::cli {

/// One line, with its end.
std::string statistics_json(const CaptureStatistics& statistics, std::span<const Action> actions,
                            std::string_view hook);

/// The whole exposition.  Bytes of `hook` that are not UTF-8 become replacement characters, as do control characters.
std::string statistics_prometheus(const CaptureStatistics& statistics,
                                  std::span<const Action> actions, std::string_view hook);

}  // namespace xdpcap::cli
