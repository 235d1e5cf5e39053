// SPDX-License-Identifier: BSD-3-Clause
//
// Ancillary loads as classic instructions.
//
// What a packet socket is told about a packet, an XDP program can mostly read off the frame.  Each load
// is replaced by instructions that do so and keep everything but A (or, for `ldxb`, X):
//
//     ld vlan_avail    =>    ldh [12]
//                            jeq #0x8100, yes
//                            jeq #0x88a8, yes
//                            ld #0, ja end
//                       yes: ld #1
//
// All ends of the compiler get them that way.  What is not in the frame (ifindex, queue, cpu, random)
// stays and is answered by the end.
//
// The meaning is the kernel's, after it has received the frame on an Ethernet device:
//
// * The outermost VLAN tag (TPID 0x8100 or 0x88a8) is not part of the protocol: the protocol is what
//   stands behind it, and the network header begins there.  A packet socket has that tag taken out of the
//   bytes, XDP has not; offsets count it here, because they are used to look at the bytes.
// * A value below 0x600 in place of the protocol is a length; the protocol is then ETH_P_802_3 (1) if
//   0xffff follows, and ETH_P_802_2 (4) otherwise.
// * The packet type is that of the destination address: broadcast 1, multicast 2, else 0, for a program
//   cannot tell whether an address is the host's.
// * The payload offset is skb_get_poff()'s: for IPv4 and IPv6 behind at most one tag, with TCP, UDP,
//   UDP-Lite, ICMP, ICMPv6, IGMP, DCCP and SCTP behind their header, with others at their header; for ARP
//   and RARP the network header; 0 for what the kernel cannot dissect.  Where the kernel looks further
//   (IPv6 extension headers, tunnels, MPLS, PPPoE, further tags, ...) the program ends with no match.
//
// Source: Linux v6.18 net/core/filter.c convert_bpf_extensions(); net/ethernet/eth.c eth_type_trans();
// include/linux/if_vlan.h vlan_set_encap_proto(); net/core/flow_dissector.c __skb_flow_dissect(),
// __skb_get_poff().
// Tested by: ancillary_test.cc, differential/ancillary_test.cc.

#include "ancillary.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "ancillary_frame.h"
#include "overloaded.h"

namespace cbpfc {

std::string_view ancillary::name_of(std::uint32_t offset) {
  constexpr std::array<std::string_view, 16> kNames = {"protocol",
                                                       "packet type",
                                                       "ifindex",
                                                       "netlink attribute",
                                                       "nested netlink attribute",
                                                       "mark",
                                                       "rx queue",
                                                       "hardware type",
                                                       "rx hash",
                                                       "cpu",
                                                       "xor x",
                                                       "VLAN tag",
                                                       "VLAN tag present",
                                                       "payload offset",
                                                       "random",
                                                       "VLAN TPID"};
  return kNames[offset / 4 % kNames.size()];
}

namespace {

/// `option` is the one that would give it a meaning; empty: none would.
std::unexpected<Error> without_meaning(std::size_t pc, std::string_view what, std::string option) {
  return fail_option(
      Errc::Unsupported, std::move(option),
      fmt::format("instruction {}: {} has no meaning where only the packet's bytes are at hand", pc,
                  what));
}

constexpr const char* kFromFrame = "ancillary.from_frame";

class Expander {
 public:
  Expander(const Filter& filter, const AncillaryOptions& options)
      : insns_(filter.insns()), options_(options) {}

  Result<std::vector<Line>> run() {
    std::vector<std::size_t> start(insns_.size());
    std::vector<std::pair<std::size_t, std::size_t>> jumps;  // line, instruction
    for (std::size_t pc = 0; pc < insns_.size(); ++pc) {
      start[pc] = lines_.size();
      if (std::holds_alternative<Jump>(insns_[pc]) || std::holds_alternative<JumpIf>(insns_[pc])) {
        jumps.emplace_back(lines_.size(), pc);
      }
      TRY(expand(pc));
      for (std::size_t line = start[pc]; line < lines_.size(); ++line) {
        lines_[line].pc = pc;
      }
    }
    for (const auto& [line, pc] : jumps) {
      if (const auto* jump = std::get_if<Jump>(&insns_[pc])) {
        lines_[line].if_true = start[jump->target(pc)];
      } else {
        const auto& branch = std::get<JumpIf>(insns_[pc]);
        lines_[line].if_true = start[pc + 1 + branch.skip_true];
        lines_[line].if_false = start[pc + 1 + branch.skip_false];
      }
    }
    return std::move(lines_);
  }

 private:
  Result<void> expand(std::size_t pc) {
    return std::visit(Overloaded{
                          [&](const LoadAncillary& i) { return expand(pc, i); },
                          [&](const LoadAbsolute& i) { return expand_relative(pc, i); },
                          [&](const LoadHeaderLength& i) { return expand_relative(pc, i); },
                          [&](const auto& i) {
                            lines_.push_back({.insn = i});
                            return Result<void>();
                          },
                      },
                      insns_[pc]);
  }

  template <typename Load>
  Result<void> expand_relative(std::size_t pc, Load load) {
    if (!is_header_relative(load.offset)) {
      lines_.push_back({.insn = load});
      return {};
    }
    const bool is_network = load.offset >= kNetworkOffset;
    if (!options_.from_frame) {
      return without_meaning(pc,
                             is_network ? "a load relative to the network header"
                                        : "a load relative to the link-layer header",
                             kFromFrame);
    }
    if (is_network) {
      Snippet code;
      load_from_network_header(code, load);
      code.append_to(lines_);
    } else {
      load.offset -= kLinkLayerOffset;
      lines_.push_back({.insn = load});
    }
    return {};
  }

  Result<void> expand(std::size_t pc, const LoadAncillary& load) {
    const std::string what =
        fmt::format("the ancillary load \"{}\"", ancillary::name_of(load.offset));
    const auto keep_if = [&](bool given, const char* option) -> Result<void> {
      if (!given) {
        return without_meaning(pc, what, option);
      }
      lines_.push_back({.insn = load});
      return {};
    };
    switch (load.offset) {
      case ancillary::kXorX:
        lines_.push_back({.insn = Alu{.op = AluOp::Xor, .operand = {.is_x = true}}});
        return {};
      case ancillary::kIfindex:
      case ancillary::kQueue: return keep_if(options_.context.has_value(), "ancillary.context");
      case ancillary::kCpu:
      case ancillary::kRandom: return keep_if(options_.helpers, "ancillary.helpers");
      case ancillary::kProtocol:
      case ancillary::kPacketType:
      case ancillary::kVlanTag:
      case ancillary::kVlanTagPresent:
      case ancillary::kVlanTpid:
      case ancillary::kPayloadOffset:
        return options_.from_frame ? expand_from_frame(pc, load.offset)
                                   : without_meaning(pc, what, kFromFrame);
      default: return without_meaning(pc, what, "");
    }
  }

  Result<void> expand_from_frame(std::size_t pc, std::uint32_t offset) {
    Snippet code;
    switch (offset) {
      case ancillary::kProtocol: protocol_of_frame(code); break;
      case ancillary::kPacketType: type_of_frame(code); break;
      case ancillary::kVlanTag: tag_of_frame(code); break;
      case ancillary::kVlanTagPresent: tag_presence_of_frame(code); break;
      case ancillary::kVlanTpid: tpid_of_frame(code); break;
      default: payload_offset_of_frame(code, TRY(unused_slot(pc))); break;
    }
    code.append_to(lines_);
    return {};
  }

  /// A scratch slot that the program leaves alone.
  Result<std::uint8_t> unused_slot(std::size_t pc) const {
    std::uint32_t used = 0;
    for (const Insn& insn : insns_) {
      if (const auto* load = std::get_if<LoadScratch>(&insn)) {
        used |= 1U << load->slot;
      } else if (const auto* store = std::get_if<StoreScratch>(&insn)) {
        used |= 1U << store->slot;
      }
    }
    for (std::uint8_t slot = 0; slot < kScratchSlots; ++slot) {
      if ((used >> slot & 1) == 0) {
        return slot;
      }
    }
    return fail(
        Errc::Unsupported,
        fmt::format("instruction {}: the ancillary load \"payload offset\" needs a scratch slot "
                    "for itself, and the program uses all {}",
                    pc, kScratchSlots));
  }

  const std::vector<Insn>& insns_;
  const AncillaryOptions& options_;
  std::vector<Line> lines_;
};

}  // namespace

Result<std::vector<Line>> expand_ancillary(const Filter& filter, const AncillaryOptions& options) {
  return Expander(filter, options).run();
}

}  // namespace cbpfc
