// SPDX-License-Identifier: BSD-3-Clause
//
// The instructions that find out which flow a packet belongs to.
//
// A flow is what has the same source and destination address, protocol and ports, in one direction: of TCP, UDP,
// UDP-Lite and SCTP over IPv4 and IPv6, behind up to two VLAN tags.  Of other protocols, and of IPv4 fragments but the
// first, the ports are 0; behind IPv6 extension headers they are, too, and the protocol is the first extension.
// What is not IP is one flow an EtherType.
//
// The key is abi::FlowKey on the stack, zero where nothing is known.  Nothing is read that was not compared with the
// packet's end.
//
// Source: RFC 791, RFC 8200, IEEE 802.1Q; Linux v6.18 include/uapi/linux/if_ether.h.
// Tested by: xdpcap/tests/kernel/hook/flow_code_test.cc.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>

namespace xdpcap {

/// Writes the key to R10 + key_offset (a multiple of 8, negative).  Overwrites R0 to R5.
void emit_flow_key(cbpfc::ebpf::Assembly& code, cbpfc::ebpf::Reg context, std::int16_t key_offset);

}  // namespace xdpcap
