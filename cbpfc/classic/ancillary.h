// SPDX-License-Identifier: BSD-3-Clause
//
// Ancillary loads and loads relative to a header: one table of what they are and where XDP finds the answer, and the
// classic instructions that read it off the Ethernet frame.  docs/compiler.md has the table for users.

#pragma once

#include <cbpfc/compile.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cbpfc {
namespace ancillary {

/// SKF_AD_*, counted from kAncillaryOffset.  Source: Linux include/uapi/linux/filter.h.
inline constexpr std::uint32_t kProtocol = 0, kPacketType = 4, kIfindex = 8, kQueue = 24, kCpu = 36,
                               kXorX = 40, kVlanTag = 44, kVlanTagPresent = 48, kPayloadOffset = 52,
                               kRandom = 56, kVlanTpid = 60;

enum class Source : std::uint8_t {
  Program,  ///< the program itself
  Frame,    ///< AncillaryOptions::from_frame
  Context,  ///< AncillaryOptions::context
  Helper,   ///< AncillaryOptions::helpers
  Nowhere,
};

struct Load {
  std::string_view listing;  ///< in the listings of libpcap and bpf_asm
  std::string_view name;
  Source source;
  std::string_view where;    ///< the answer; from Nowhere, why there is none
  std::uint32_t number = 0;  ///< offset in struct xdp_md, or number of the helper
};

/// By offset / 4.  Source of the numbers: Linux v6.18 include/uapi/linux/bpf.h struct xdp_md, ___BPF_FUNC_MAPPER.
inline constexpr std::array kLoads = {
    Load{"proto", "protocol", Source::Frame,
         "EtherType behind the outermost VLAN tag; 1 (802.3) or 4 (802.2) if a length is there"},
    Load{"type", "packet type", Source::Frame,
         "by the destination address: 0 host, 1 broadcast, 2 multicast"},
    Load{"ifidx", "ifindex", Source::Context, "ingress_ifindex of struct xdp_md", 12},
    Load{"nla", "netlink attribute", Source::Nowhere, "it looks into netlink messages"},
    Load{"nlan", "nested netlink attribute", Source::Nowhere, "it looks into netlink messages"},
    Load{"mark", "mark", Source::Nowhere,
         "the kernel has not made a socket buffer yet, which has it"},
    Load{"queue", "rx queue", Source::Context,
         "rx_queue_index of struct xdp_md, from 0; a packet socket is told 1 more", 16},
    Load{"hatype", "hardware type", Source::Nowhere, "a program cannot ask the interface for it"},
    Load{"rxhash", "rx hash", Source::Nowhere,
         "only programs that are bound to one interface are told the hash"},
    Load{"cpu", "cpu", Source::Helper, "bpf_get_smp_processor_id()", 8},
    Load{"xor_x", "xor x", Source::Program, "A ^ X"},
    Load{"vlan_tci", "VLAN tag", Source::Frame, "the outermost tag in the frame, or 0"},
    Load{"vlanp", "VLAN tag present", Source::Frame,
         "1 if the EtherType is 0x8100 or 0x88a8, else 0"},
    Load{"poff", "payload offset", Source::Frame,
         "behind the transport header over IPv4 and IPv6; see ancillary_frame.cc"},
    Load{"random", "random", Source::Helper, "bpf_get_prandom_u32()", 7},
    Load{"vlan_tpid", "VLAN TPID", Source::Frame, "that EtherType, or 0"},
};

/// The load at that offset.  Requires: is_ancillary_load(kAncillaryOffset + offset).
constexpr const Load& at(std::uint32_t offset) {
  return kLoads[offset / 4];
}

/// What messages say of a load without an answer: "the ancillary load "mark" has no answer in XDP: ...".
std::string unanswered(const Load& load);
/// The same of a load relative to a header.
std::string unanswered_relative(std::uint32_t offset);

/// Whether a filter asks for the VLAN tag.  Then it sees the frame as a packet socket does, without that tag.
bool asks_for_tag(const Filter& filter);
/// Whether a filter asks what depends on a VLAN tag.  Then a packet without an Ethernet header does not match.
bool depends_on_tag(const Filter& filter);

}  // namespace ancillary

/// An instruction with its targets as line numbers, which may be as far away as they like.
struct Line {
  Insn insn;
  std::size_t if_true = 0;   ///< of Jump and JumpIf
  std::size_t if_false = 0;  ///< of JumpIf
};

/// The instructions of `filter`, with what can be read from the frame replaced.
///
/// They use a scratch slot behind the program's, kScratchSlots.
/// Ensures: no load relative to a header is left, and of the LoadAncillary only those from Context and Helper.
/// Errors: those of check_ancillary().
Result<std::vector<Line>> expand_ancillary(const Filter& filter, const AncillaryOptions& options);

}  // namespace cbpfc
