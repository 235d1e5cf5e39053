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

#include <algorithm>
#include <array>
#include <cassert>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "overloaded.h"

namespace cbpfc {
namespace {

constexpr std::uint32_t kTypeOffset = 12;   ///< of the protocol in a frame without a tag
constexpr std::uint32_t kHeaderBytes = 14;  ///< of Ethernet
constexpr std::uint32_t kTagBytes = 4;
constexpr std::uint32_t kSmallestType = 0x600;

/// Instructions with labels; "" is the next instruction, "end" what follows them all.
class Snippet {
 public:
  void add(const Insn& insn) { lines_.push_back({.insn = insn}); }
  void label(const std::string& name) { places_.emplace(name, lines_.size()); }
  void jump(const std::string& target) {
    mark(target, {});
    add(Jump{.skip = 0});
  }
  void jump_if(Condition condition, std::uint32_t k, const std::string& if_true,
               const std::string& if_false) {
    mark(if_true, if_false);
    add(JumpIf{.condition = condition, .operand = {.k = k}, .skip_true = 0, .skip_false = 0});
  }
  void jump_if_x(Condition condition, const std::string& if_true, const std::string& if_false) {
    mark(if_true, if_false);
    add(JumpIf{.condition = condition, .operand = {.is_x = true}, .skip_true = 0, .skip_false = 0});
  }

  /// Appends the instructions to `lines`.
  void append_to(std::vector<Line>& lines) {
    label("end");
    const std::size_t base = lines.size();
    lines.insert(lines.end(), lines_.begin(), lines_.end());
    for (const Target& target : targets_) {
      Line& line = lines[base + target.line];
      line.if_true = base + place(target.line, target.if_true);
      line.if_false = base + place(target.line, target.if_false);
    }
  }

 private:
  struct Target {
    std::size_t line;
    std::string if_true;
    std::string if_false;
  };
  void mark(const std::string& if_true, const std::string& if_false) {
    targets_.push_back({.line = lines_.size(), .if_true = if_true, .if_false = if_false});
  }
  std::size_t place(std::size_t line, const std::string& name) const {
    assert(name.empty() || places_.contains(name));
    return name.empty() ? line + 1 : places_.at(name);
  }

  std::vector<Line> lines_;
  std::vector<Target> targets_;
  std::map<std::string, std::size_t> places_;
};

Insn load_half(std::uint32_t offset) {
  return LoadAbsolute{.size = Size::Half, .offset = offset};
}
Insn load_byte(std::uint32_t offset) {
  return LoadAbsolute{.size = Size::Byte, .offset = offset};
}
Insn set_a(std::uint32_t value) {
  return LoadImmediate{.dst = Register::A, .value = value};
}
Insn length_to(Register dst) {
  return LoadLength{.dst = dst};
}
Insn compute(AluOp op, std::uint32_t k) {
  return Alu{.op = op, .operand = {.k = k}};
}
Insn compute_x(AluOp op) {
  return Alu{.op = op, .operand = {.is_x = true}};
}

/// A = what stands in place of the protocol; continues at `tagged` if it is a VLAN tag's.
void look_for_tag(Snippet& code, const std::string& tagged) {
  code.add(load_half(kTypeOffset));
  code.jump_if(Condition::Equal, 0x8100, tagged, "");
  code.jump_if(Condition::Equal, 0x88a8, tagged, "");
}

/// A = the protocol, if what stands at `offset` and is in A already is a length.
void length_to_protocol(Snippet& code, std::uint32_t offset, const std::string& sap) {
  code.jump_if(Condition::GreaterEqual, kSmallestType, "end", "");
  code.add(length_to(Register::A));
  code.jump_if(Condition::GreaterEqual, offset + 4, sap, "802.2");
  code.label(sap);
  code.add(load_half(offset + 2));
  code.jump_if(Condition::Equal, 0xffff, "802.3", "802.2");
}

void protocol(Snippet& code) {
  look_for_tag(code, "tagged");
  length_to_protocol(code, kTypeOffset, "sap");
  code.label("tagged");
  code.add(load_half(kTypeOffset + kTagBytes));
  length_to_protocol(code, kTypeOffset + kTagBytes, "tagged sap");
  code.label("802.3");
  code.add(set_a(1));
  code.jump("end");
  code.label("802.2");
  code.add(set_a(4));
}

void packet_type(Snippet& code) {
  code.add(load_byte(0));
  code.jump_if(Condition::AnyBitSet, 1, "group", "");
  code.add(set_a(0));
  code.jump("end");
  code.label("group");
  code.add(LoadAbsolute{.size = Size::Word, .offset = 0});
  code.jump_if(Condition::Equal, 0xffffffff, "", "multicast");
  code.add(load_half(4));
  code.jump_if(Condition::Equal, 0xffff, "", "multicast");
  code.add(set_a(1));
  code.jump("end");
  code.label("multicast");
  code.add(set_a(2));
}

/// A = `if_tagged` applied to a frame with a tag, 0 for others.  Nothing given: A is the TPID.
void tag(Snippet& code, const std::optional<Insn>& if_tagged) {
  look_for_tag(code, "tagged");
  code.add(set_a(0));
  code.jump("end");
  code.label("tagged");
  if (if_tagged) {
    code.add(*if_tagged);
  }
}

void relative_to_network(Snippet& code, const LoadAbsolute& load) {
  const auto from = [&](std::uint32_t header) {
    return LoadAbsolute{.size = load.size, .offset = load.offset - kNetworkOffset + header};
  };
  look_for_tag(code, "tagged");
  code.add(from(kHeaderBytes));
  code.jump("end");
  code.label("tagged");
  code.add(from(kHeaderBytes + kTagBytes));
}

/// A must survive, and X is about to be overwritten: it is kept there.
void relative_to_network(Snippet& code, const LoadHeaderLength& load) {
  const auto from = [&](std::uint32_t header) {
    return LoadHeaderLength{.offset = load.offset - kNetworkOffset + header};
  };
  code.add(Transfer{.dst = Register::X});
  look_for_tag(code, "tagged");
  code.add(Transfer{.dst = Register::A});
  code.add(from(kHeaderBytes));
  code.jump("end");
  code.label("tagged");
  code.add(Transfer{.dst = Register::A});
  code.add(from(kHeaderBytes + kTagBytes));
}

/// The payload offset, in pieces.  X is kept in a scratch slot and holds the offset of the transport
/// header meanwhile.
class PayloadOffset {
 public:
  PayloadOffset(Snippet& code, std::uint8_t slot) : code_(code), slot_(slot) {}

  void write() {
    code_.add(StoreScratch{.src = Register::X, .slot = slot_});
    look_for_tag(code_, "tagged");
    by_protocol(kHeaderBytes);
    code_.label("tagged");
    code_.add(load_half(kTypeOffset + kTagBytes));
    by_protocol(kHeaderBytes + kTagBytes);
    transport();
    code_.label("zero");
    code_.add(set_a(0));
    code_.jump("restore");
    code_.label("further");  // the kernel would look further
    code_.add(ReturnConstant{.value = 0});
    code_.label("at header");
    code_.add(Transfer{.dst = Register::A});
    code_.label("restore");
    code_.add(LoadScratch{.dst = Register::X, .slot = slot_});
  }

 private:
  void by_protocol(std::uint32_t header) {
    const auto here = [&](const char* name) { return fmt::format("{} {}", name, header); };
    code_.jump_if(Condition::Equal, 0x0800, here("ipv4"), "");
    code_.jump_if(Condition::Equal, 0x86dd, here("ipv6"), "");
    code_.jump_if(Condition::Equal, 0x0806, here("arp"), "");
    code_.jump_if(Condition::Equal, 0x8035, here("arp"), "");
    // Tags, PPPoE, TIPC, MPLS, FCoE, B.A.T.M.A.N., PTP, PRP, HSR.
    for (const std::uint32_t type : {0x8100U, 0x88a8U, 0x8864U, 0x88caU, 0x8847U, 0x8848U, 0x8906U,
                                     0x4305U, 0x88f7U, 0x88fbU, 0x892fU}) {
      code_.jump_if(Condition::Equal, type, "further", "");
    }
    code_.jump("zero");
    code_.label(here("arp"));
    code_.add(set_a(header));
    code_.jump("restore");
    code_.label(here("ipv4"));
    ipv4(header, here("ipv4 whole"), here("ipv4 fragment"));
    code_.label(here("ipv6"));
    ipv6(header);
  }

  void ipv4(std::uint32_t header, const std::string& fits, const std::string& first_fragment) {
    code_.add(length_to(Register::A));
    code_.jump_if(Condition::GreaterEqual, header + 20, "", "zero");
    code_.add(load_byte(header));
    code_.add(compute(AluOp::And, 0xf));
    code_.jump_if(Condition::GreaterEqual, 5, "", "zero");
    code_.add(compute(AluOp::Lsh, 2));
    code_.add(compute(AluOp::Add, header));
    code_.add(Transfer{.dst = Register::X});
    code_.add(length_to(Register::A));  // the header may claim more than there is
    code_.jump_if_x(Condition::GreaterEqual, fits, "");
    code_.add(Transfer{.dst = Register::X});
    code_.label(fits);
    code_.add(load_half(header + 6));
    code_.jump_if(Condition::AnyBitSet, 0x1fff, "at header", "");  // a fragment, not the first
    code_.jump_if(Condition::AnyBitSet, 0x2000, first_fragment, "");
    code_.add(load_byte(header + 9));
    further_if({4, 41, 47, 137});
    code_.jump("transport");
    code_.label(first_fragment);  // of which the kernel looks at the transport header only
    code_.add(load_byte(header + 9));
    code_.jump("transport");
  }

  void ipv6(std::uint32_t header) {
    code_.add(length_to(Register::A));
    code_.jump_if(Condition::GreaterEqual, header + 40, "", "zero");
    code_.add(LoadImmediate{.dst = Register::X, .value = header + 40});
    code_.add(load_byte(header + 6));
    further_if({0, 43, 44, 60, 4, 41, 47, 137});
    code_.jump("transport");
  }

  /// Headers behind which the kernel finds others: options, tunnels, MPLS.
  void further_if(std::initializer_list<std::uint32_t> protocols) {
    for (const std::uint32_t each : protocols) {
      code_.jump_if(Condition::Equal, each, "further", "");
    }
  }

  /// A is the transport protocol.
  void transport() {
    code_.label("transport");
    code_.jump_if(Condition::Equal, 6, "tcp", "");
    for (const std::uint32_t each : {17U, 136U, 1U, 58U, 2U}) {
      code_.jump_if(Condition::Equal, each, "8 bytes", "");
    }
    code_.jump_if(Condition::Equal, 33, "12 bytes", "");
    code_.jump_if(Condition::Equal, 132, "12 bytes", "at header");
    code_.label("tcp");
    code_.add(length_to(Register::A));
    code_.add(compute_x(AluOp::Sub));
    code_.jump_if(Condition::Greater, 12, "", "at header");
    code_.add(LoadIndirect{.size = Size::Byte, .offset = 12});
    code_.add(compute(AluOp::And, 0xf0));
    code_.add(compute(AluOp::Rsh, 2));
    code_.jump_if(Condition::GreaterEqual, 20, "add header", "");
    code_.add(set_a(20));
    code_.jump("add header");
    code_.label("8 bytes");
    code_.add(set_a(8));
    code_.jump("add header");
    code_.label("12 bytes");
    code_.add(set_a(12));
    code_.label("add header");
    code_.add(compute_x(AluOp::Add));
    code_.jump("restore");
  }

  Snippet& code_;
  std::uint8_t slot_;
};

std::string_view name_of(std::uint32_t offset) {
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

std::unexpected<Error> without_meaning(std::size_t pc, std::string_view what,
                                       std::string_view hint) {
  return fail(
      Errc::Unsupported,
      fmt::format("instruction {}: {} has no meaning where only the packet's bytes are at hand{}",
                  pc, what, hint));
}

constexpr std::string_view kGivenByFrame =
    "; option ancillary.from_frame reads it from the Ethernet frame";

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
                             kGivenByFrame);
    }
    if (is_network) {
      Snippet code;
      relative_to_network(code, load);
      code.append_to(lines_);
    } else {
      load.offset -= kLinkLayerOffset;
      lines_.push_back({.insn = load});
    }
    return {};
  }

  Result<void> expand(std::size_t pc, const LoadAncillary& load) {
    const std::string what = fmt::format("the ancillary load \"{}\"", name_of(load.offset));
    const auto keep_if = [&](bool given, std::string_view hint) -> Result<void> {
      if (!given) {
        return without_meaning(pc, what, hint);
      }
      lines_.push_back({.insn = load});
      return {};
    };
    switch (load.offset) {
      case ancillary::kXorX: lines_.push_back({.insn = compute_x(AluOp::Xor)}); return {};
      case ancillary::kIfindex:
      case ancillary::kQueue:
        return keep_if(options_.context.has_value(),
                       "; option ancillary.context names the register with the struct xdp_md that "
                       "has it");
      case ancillary::kCpu:
      case ancillary::kRandom:
        return keep_if(options_.helpers,
                       "; option ancillary.helpers allows the call that gives it");
      case ancillary::kProtocol:
      case ancillary::kPacketType:
      case ancillary::kVlanTag:
      case ancillary::kVlanTagPresent:
      case ancillary::kVlanTpid:
      case ancillary::kPayloadOffset:
        return options_.from_frame ? expand_from_frame(pc, load.offset)
                                   : without_meaning(pc, what, kGivenByFrame);
      default: return without_meaning(pc, what, "");
    }
  }

  Result<void> expand_from_frame(std::size_t pc, std::uint32_t offset) {
    Snippet code;
    switch (offset) {
      case ancillary::kProtocol: protocol(code); break;
      case ancillary::kPacketType: packet_type(code); break;
      case ancillary::kVlanTag: tag(code, load_half(kTypeOffset + 2)); break;
      case ancillary::kVlanTagPresent: tag(code, set_a(1)); break;
      case ancillary::kVlanTpid: tag(code, std::nullopt); break;
      default: PayloadOffset(code, TRY(unused_slot(pc))).write(); break;
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
