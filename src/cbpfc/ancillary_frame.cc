// SPDX-License-Identifier: BSD-3-Clause
//
// Ethernet frames, looked into with classic instructions.  ancillary.cc has the meaning and the sources.
// Tested by: ancillary_test.cc, differential/ancillary_test.cc.

#include "ancillary_frame.h"

#include <fmt/format.h>

#include <initializer_list>

namespace cbpfc {
namespace {

constexpr std::uint32_t kTypeOffset = 12;   ///< of the protocol in a frame without a tag
constexpr std::uint32_t kHeaderBytes = 14;  ///< of Ethernet
constexpr std::uint32_t kTagBytes = 4;
constexpr std::uint32_t kSmallestType = 0x600;

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

}  // namespace

void protocol_of_frame(Snippet& code) {
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

void type_of_frame(Snippet& code) {
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

void tpid_of_frame(Snippet& code) {
  tag(code, std::nullopt);
}
void tag_of_frame(Snippet& code) {
  tag(code, load_half(kTypeOffset + 2));
}
void tag_presence_of_frame(Snippet& code) {
  tag(code, set_a(1));
}

void load_from_network_header(Snippet& code, const LoadAbsolute& load) {
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
void load_from_network_header(Snippet& code, const LoadHeaderLength& load) {
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

namespace {

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

}  // namespace

void payload_offset_of_frame(Snippet& code, std::uint8_t slot) {
  PayloadOffset(code, slot).write();
}

}  // namespace cbpfc
