// SPDX-License-Identifier: BSD-3-Clause
//
// The ways of a record from a capture program to user space, best first, and which one this kernel offers.
//
//     shared    a ring of our own in memory that is shared, records of exact size, bpf_xdp_load_bytes()  Linux 5.18
//     classes   ring buffer, records of the next size class, bpf_xdp_load_bytes()                     Linux 5.18
//     dynptr    ring buffer, records of exact size: bpf_ringbuf_reserve_dynptr(), bpf_dynptr_copy()   Linux 6.15
//     linear    ring buffer, size classes, only what lies between data and data_end                   Linux 5.8
//     perf      perf buffer, records of exact size, at most 65,492 bytes of a packet                  before that
//
// "Best" is what costs the packet path least (docs/performance.md).  dynptr costs a packet of 64 bytes 60 to 70 ns
// more than size classes, so it is there to be asked for, and for a kernel that ever lacks the others.
//
// The kernel's version does not tell what a distribution has put in or left out, so they are tried: a capture
// program that records everything is loaded, with rings of a page, until one is accepted.
//
// Tested by: xdpcap/tests/kernel/hook/transport_test.cc, and on Linux 5.10 and 6.1 by hand (docs/architecture.md).

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "xdpcap/hook/hook_variant.h"

namespace xdpcap {

enum class Transport { Shared, Classes, Dynptr, Linear, Perf };

inline constexpr std::array<Transport, 5> kTransports = {
    Transport::Shared, Transport::Classes, Transport::Dynptr, Transport::Linear, Transport::Perf};

/// "dynptr", as -transport takes it.
std::string_view name(Transport transport);
/// "ring buffers, records of exact size".
std::string_view describe(Transport transport);
/// All names, as a list in text.
std::string transport_names();
/// Errors: InvalidArgument, listing the names.
Result<Transport> parse_transport(std::string_view name);

/// Whether records go through a perf buffer, and not a BPF ring buffer.
inline bool is_perf(Transport transport) {
  return transport == Transport::Perf;
}

/// Whether a packet's length comes from bpf_xdp_get_buff_len() (Linux 5.18).  Else it is data_end - data, which the
/// verifier allows only with CAP_PERFMON; the transports for older kernels need that anyway.
inline bool asks_for_length(Transport transport, bool multi_buffer) {
  return multi_buffer || (transport != Transport::Linear && transport != Transport::Perf);
}

/// Numbers of the kernel's functions that Transport::Dynptr calls.
struct DynptrFunctions {
  std::int32_t from_xdp = 0;
  std::int32_t copy = 0;
};

struct ChosenTransport {
  Transport transport = Transport::Classes;
  DynptrFunctions functions = {};  ///< of Transport::Dynptr
};

/// The first of kTransports that the kernel takes in programs of `variant`, or `wanted` alone.
/// Errors: Permission; Unsupported, with what the kernel said of each, and the version each needs.
Result<ChosenTransport> find_transport(const Variant& variant, std::optional<Transport> wanted);

}  // namespace xdpcap
