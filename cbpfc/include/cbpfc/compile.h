// SPDX-License-Identifier: BSD-3-Clause
//
// Filter to eBPF fragment.
//
// A fragment is the filter's instructions without prologue and exit.  It finds the packet between
// two registers that the caller loaded from ctx->data and ctx->data_end, leaves the filter's value
// (0: no match) in a register, and jumps to a label:
//
//     Assembly program;                                     // R1 = struct xdp_md *
//     program.add(load(Width::Word, R2, R1, 0));            // data
//     program.add(load(Width::Word, R3, R1, 4));            // data_end
//     program.append(TRY(compile_ebpf(filter, {.packet_start = R2, .packet_end = R3, .result = R4,
//                                              .working = {R4, R5, R6, R7}})));
//     program.label("result");
//     ...
//
// The fragment never writes the packet, keeps packet_start and packet_end unless `result` is one of
// them, calls nothing unless asked to (PacketAccess::Probe, AncillaryOptions::helpers), and is
// accepted by the kernel verifier from Linux 5.1 on (loads relative to X need CAP_PERFMON since
// 5.8).  The packet must begin on the stack of bytes that ctx->data points to, or at most
// `packet_start_offset_bytes` behind it.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/ebpf.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cbpfc {

/// Offset and size beyond which the verifier trusts no packet pointer; no XDP packet's linear part
/// is larger.  Source: Linux v6.18 kernel/bpf/verifier.c MAX_PACKET_OFF.
inline constexpr std::uint32_t kMaxPacketOffset = 0xffff;

/// Times a filter may go round a loop; libpcap makes one for `protochain`, which goes from header
/// to header.  A packet that would take more does not match.
inline constexpr std::size_t kMostLoopTrips = 32;

/// How the fragment reaches the packet's bytes.
enum class PacketAccess : std::uint8_t {
  /// packet_start and packet_end are pointers into an XDP or TC packet.
  Direct,
  /// packet_start points to a map value or a part of the stack of buffer_size_bytes; packet_end
  /// holds the number of valid bytes in it, at most buffer_size_bytes, which the verifier need not
  /// know.
  Buffer,
  /// packet_start holds a kernel address, packet_end the number of bytes there, both numbers.
  /// Bytes are read with bpf_probe_read_kernel, so packet_start, packet_end, working[0] and
  /// working[1] must be among R6 to R9, and R0 to R5 are overwritten.  Eight bytes of stack,
  /// aligned, are used.
  Probe,
};

/// Where ancillary loads (SKF_AD_*, SKF_NET_OFF, SKF_LL_OFF) find their answer; what has none is
/// refused by name.  docs/compiler.md has them all.  The answers are those a packet socket gets, but
/// for these: a packet for another host is taken for one for this host; and in a filter that does
/// not ask for the VLAN tag, the tag counts in offsets, since XDP has it in the bytes.  `xor x`
/// needs no answer and is always there.
struct AncillaryOptions {
  /// Answers from the bytes of the Ethernet frame: protocol, packet type, VLAN tag, presence and
  /// TPID, payload offset, loads relative to the link-layer and network header.  Packets without an
  /// Ethernet header do not match a filter that asks for one of these but the packet type.
  ///
  /// A filter that asks for VLAN tag, presence or TPID sees the frame as a packet socket does,
  /// without the outermost tag.  Protocol and network header are those behind that tag.  The payload
  /// offset is known for IPv4, IPv6 and ARP; it is 0 for what the kernel does not dissect, and
  /// where the kernel would look into extension headers, tunnels, MPLS, PPPoE or further tags, the
  /// filter does not match.
  bool from_frame = false;
  /// Register with the struct xdp_md, not among those the fragment writes: ifindex, rx queue.  The
  /// queue is the XDP program's, from 0; a packet socket is told that number plus 1.
  std::optional<ebpf::Reg> context = std::nullopt;
  /// Calls of helpers are allowed (R0 to R5 are overwritten): cpu, random.  What must survive them,
  /// packet_start, packet_end, packet_length and context, must be among R6 to R9.
  bool helpers = false;
};

/// Whether every ancillary load and load relative to a header in `filter` has an answer.
/// Errors: Errc::Unsupported, naming the instruction, the load and the option that would give it
/// one.
Result<void> check_ancillary(const Filter& filter, const AncillaryOptions& options);

struct EbpfOptions {
  ebpf::Reg packet_start = ebpf::Reg::R2;  ///< first byte of the packet
  ebpf::Reg packet_end = ebpf::Reg::R3;    ///< the byte behind the last
  ebpf::Reg result = ebpf::Reg::R4;        ///< the filter's value; may be any of the others
  /// Registers the fragment may overwrite; distinct from each other and from
  /// packet_start/packet_end.
  std::array<ebpf::Reg, 4> working = {ebpf::Reg::R4, ebpf::Reg::R5, ebpf::Reg::R6, ebpf::Reg::R7};
  std::string result_label = "result";  ///< where the fragment jumps; the caller defines it
  std::string label_prefix = "filter";  ///< in front of every label the fragment defines
  /// Where the fragment's stack begins, below R10; a multiple of 4, at most 448.  It uses four
  /// bytes there for each value that it cannot keep in registers; few filters have any.
  std::uint32_t stack_offset_bytes = 0;
  /// Register with the packet's whole length, for packets of which packet_start .. packet_end is
  /// only a part; none: that part's length.  Not among `working`.
  std::optional<ebpf::Reg> packet_length = std::nullopt;
  /// Upper bound of packet_start - ctx->data, for filters over a packet inside another.
  std::uint32_t packet_start_offset_bytes = 0;
  PacketAccess access = PacketAccess::Direct;
  /// PacketAccess::Buffer: the size the verifier knows the buffer to have, at most 65,535.
  std::uint32_t buffer_size_bytes = 0;
  /// PacketAccess::Buffer: packet_start points to the stack, where the verifier takes aligned loads
  /// only, so that wider ones are made of bytes.  Loads relative to X need Linux 5.12 there.
  bool buffer_on_stack = false;
  AncillaryOptions ancillary = {};
  /// Further registers the fragment may overwrite, for values.
  std::vector<ebpf::Reg> spare = {};
  /// Where a match and a miss jump, without a value in `result`; both or neither.  The fragment has
  /// a jump to each, taken or not: the verifier refuses code behind a label that nothing leads to.
  std::string match_label = {};
  std::string no_match_label = {};
  /// false: without the passes over the graph; to compare with, and to look at.
  bool optimize = true;
};

/// Whether the filter loads the packet's length, or facts that depend on it, and so wants
/// EbpfOptions::packet_length.
bool reads_length(const Filter& filter);

/// Compiles a filter to a fragment.
///
/// Errors: Errc::InvalidArgument for options that are not legal, naming the option;
/// Errc::Unsupported, naming the instruction and what it loads, for ancillary loads without
/// meaning; Errc::TooLarge for more instructions than the kernel takes.
Result<ebpf::Assembly> compile_ebpf(const Filter& filter, const EbpfOptions& options);

/// Compiles filters into one fragment whose `result` is the number, from 1, of the first that
/// matches, 0 for none.  Tests the filters have in common are made once.
///
/// Errors: those of compile_ebpf(), naming the filter; Errc::InvalidArgument for no filter, and for
/// match_label and no_match_label, which have no room for a number.
Result<ebpf::Assembly> compile_ebpf_set(std::span<const Filter> filters,
                                        const EbpfOptions& options);

}  // namespace cbpfc
