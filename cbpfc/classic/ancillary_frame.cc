// SPDX-License-Identifier: BSD-3-Clause
//
// Ethernet frames, looked into with classic instructions, for all ends of the compiler.
//
// A program that asks what depends on a VLAN tag is made twice, for frames without and with the outermost tag (TPID
// 0x8100 or 0x88a8), so that each copy knows where the headers are:
//
//     ld vlan_tci        =>         ldh [12]
//     and #0xfff                    jeq #0x8100, tagged
//     ret a                         jeq #0x88a8, tagged
//                                   ld #0
//                                   and #0xfff, ret a
//                           tagged: ldh [14]
//                                   and #0xfff, ret a
//
// The kernel takes that tag out of the bytes before a packet socket sees them, XDP does not.  A program that asks for the
// tag was written for such bytes: libpcap's, for one, looks for the header that follows at [12] if the tag is present.
// So the copy for tagged frames leaves it out: loads from offset 12 on are made 4 bytes further, and the length is 4
// less.  A program that does not ask sees all bytes, and offsets that it is told count the tag.
//
// The meaning is the kernel's, after it has received the frame on an Ethernet device:
//
// * A value below 0x600 in place of the protocol is a length; the protocol is then ETH_P_802_3 (1) if
//   0xffff follows, and ETH_P_802_2 (4) otherwise.
// * The packet type of a unicast is 0, for a program cannot tell whether an address is the host's.
// * The payload offset is skb_get_poff()'s: for IPv4 and IPv6 behind at most one tag, with TCP, UDP,
//   UDP-Lite, ICMP, ICMPv6, IGMP, DCCP and SCTP behind their header, with others at their header; for ARP
//   and RARP the network header; 0 for what the kernel cannot dissect.  Where the kernel looks further
//   (IPv6 extension headers, tunnels, MPLS, PPPoE, further tags, ...) the program ends with no match.
//
// Source: Linux v6.18 net/core/filter.c convert_bpf_extensions(); net/ethernet/eth.c eth_type_trans();
// include/linux/if_vlan.h vlan_set_encap_proto(); net/core/flow_dissector.c __skb_flow_dissect(),
// __skb_get_poff(); libpcap 1.10.3 gencode.c gen_vlan_bpf_extensions().
// Tested by: ancillary_test.cc, verify/differential/ancillary_test.cc.

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

#include "base/overloaded.h"
#include "cbpfc/classic/ancillary.h"

namespace cbpfc {
namespace {

constexpr std::uint32_t kTypeOffset = 12;  ///< of the EtherType, and of a tag
constexpr std::uint32_t kTagBytes = 4;

// Instructions, mostly as bpf_asm has them: `imm` sets A; `ldbx`, `addx`, ... are with X; jumps that are not taken go on behind them,
// and may compare with several numbers.  `h` is where the network header begins in the frame, `l` the bytes of the tag that the
// program does not see.

constexpr std::string_view kProtocol = R"(
          ldh h-2
          jge 0x600 end
          len
          jlt h+2 802.2
          ldh h
          jne 0xffff 802.2
          imm 1
          ja end
   802.2: imm 4
     end:)";

constexpr std::string_view kPacketType = R"(
          ldb 0
          jset 1 group
          imm 0
          ja end
   group: ldw 0
          jne 0xffffffff multicast
          ldh 4
          jne 0xffff multicast
          imm 1
          ja end
multicast: imm 2
     end:)";

/// X, which is kept elsewhere, becomes the offset of the transport header.
constexpr std::string_view kPayloadOffset = R"(
          ldx h
          ldh h-2
          jeq 0x0800 ipv4
          jeq 0x86dd ipv6
          jeq 0x0806,0x8035 at-x
          jeq 0x8100,0x88a8,0x8864,0x88ca,0x8847,0x8848 further
          jeq 0x8906,0x4305,0x88f7,0x88fb,0x892f further
    zero: imm 0
          ja end
 further: ret 0
    ipv4: len
          jlt h+20 zero
          ldb h
          and 0xf
          jlt 5 zero
          lsh 2
          add h
          tax
          len
          jgex fits
          tax
    fits: ldh h+6
          jset 0x1fff at-x
          jset 0x2000 first-fragment
          ldb h+9
          jeq 4,41,47,137 further
          ja transport
first-fragment: ldb h+9
          ja transport
    ipv6: len
          jlt h+40 zero
          ldx h+40
          ldb h+6
          jeq 0,43,44,60,4,41,47,137 further
transport: jeq 6 tcp
          jeq 17,136,1,58,2 8-bytes
          jeq 33,132 12-bytes
          ja at-x
     tcp: len
          subx
          jle 12 at-x
          ldbx 12
          and 0xf0
          rsh 2
          jge 20 add
          imm 20
          ja add
 8-bytes: imm 8
          ja add
12-bytes: imm 12
     add: addx
          tax
    at-x: imm 0
          addx
          sub l
     end:)";

struct Mnemonic {
  std::string_view name;
  std::uint16_t code;
  bool has_number = true;
  bool is_negated = false;
};
// clang-format off
constexpr auto kMnemonics = std::to_array<Mnemonic>({
    {"ldb", 0x30}, {"ldh", 0x28}, {"ldw", 0x20}, {"ldbx", 0x50}, {"imm", 0x00}, {"ldx", 0x01},
    {"len", 0x80, false}, {"tax", 0x07, false}, {"add", 0x04}, {"sub", 0x14}, {"and", 0x54},
    {"lsh", 0x64}, {"rsh", 0x74}, {"addx", 0x0c, false}, {"subx", 0x1c, false},
    {"ja", 0x05, false}, {"jeq", 0x15}, {"jgt", 0x25}, {"jge", 0x35}, {"jset", 0x45},
    {"jgex", 0x3d, false}, {"jne", 0x15, true, true}, {"jle", 0x25, true, true},
    {"jlt", 0x35, true, true}, {"ret", 0x06}, {"orx", 0x4c, false}, {"xorx", 0xac, false},
});
// clang-format on

JumpIf comparison(Condition condition, std::uint32_t k) {
  return {.condition = condition, .operand = {.k = k}, .skip_true = 0, .skip_false = 0};
}

/// Lines with labels, which are numbers until all lines are there.
class Code {
 public:
  using Label = std::size_t;

  Label label() {
    places_.push_back(0);
    return places_.size() - 1;
  }
  void place(Label label) { places_[label] = lines_.size(); }
  void add(const Insn& insn) { lines_.push_back({.insn = insn}); }
  void jump(Label to) { lines_.push_back({.insn = Jump{.skip = 0}, .if_true = to}); }
  void branch(const JumpIf& insn, Label if_true, Label if_false) {
    lines_.push_back({.insn = insn, .if_true = if_true, .if_false = if_false});
  }
  /// Goes on behind it otherwise.
  void jump_if(const JumpIf& insn, Label to, bool is_negated = false) {
    const Label next = label();
    branch(insn, is_negated ? next : to, is_negated ? to : next);
    place(next);
  }

  /// Appends instructions as above.
  void add_text(std::string_view text, std::uint32_t h, std::uint32_t l) {
    std::map<std::string, Label> labels;
    const auto named = [&](const std::string& name) {
      const auto known = labels.find(name);
      return known != labels.end() ? known->second : labels[name] = label();
    };
    std::istringstream words{std::string(text)};
    for (std::string word; words >> word;) {
      if (word.ends_with(':')) {
        place(named(word.substr(0, word.size() - 1)));
        continue;
      }
      const Mnemonic& known = *std::ranges::find(kMnemonics, word, &Mnemonic::name);
      if (known.has_number) {
        words >> word;
      }
      std::istringstream numbers(known.has_number ? word : "0");
      const bool jumps = (known.code & 7) == 5;
      if (jumps) {
        words >> word;
      }
      for (std::string number; std::getline(numbers, number, ',');) {
        std::uint32_t k = number[0] == 'h' ? h : number[0] == 'l' ? l : 0;
        number.erase(0, number[0] == 'h' || number[0] == 'l' ? 1 : 0);
        k += static_cast<std::uint32_t>(std::strtoll(number.c_str(), nullptr, 0));
        const Insn insn = decode_insn({.code = known.code, .jt = 0, .jf = 0, .k = k}).value();
        if (const auto* branch = std::get_if<JumpIf>(&insn)) {
          jump_if(*branch, named(word), known.is_negated);
        } else {
          jumps ? jump(named(word)) : add(insn);
        }
      }
    }
  }

  std::vector<Line> finish() {
    for (Line& line : lines_) {
      const bool branches = std::holds_alternative<JumpIf>(line.insn);
      if (branches || std::holds_alternative<Jump>(line.insn)) {
        line.if_true = places_[line.if_true];
        line.if_false = branches ? places_[line.if_false] : 0;
      }
    }
    return std::move(lines_);
  }

 private:
  std::vector<Line> lines_;
  std::vector<std::size_t> places_;
};

/// The program for frames with or without a tag.
class Copy {
 public:
  Copy(Code& code, const Filter& filter, bool is_tagged)
      : code_(code),
        insns_(filter.insns()),
        is_tagged_(is_tagged),
        header_(14 + (is_tagged ? kTagBytes : 0)),
        left_out_(is_tagged && ancillary::asks_for_tag(filter) ? kTagBytes : 0) {}

  void write() {
    for (std::size_t pc = 0; pc < insns_.size(); ++pc) {
      at_.push_back(code_.label());
    }
    for (std::size_t pc = 0; pc < insns_.size(); ++pc) {
      code_.place(at_[pc]);
      std::visit(Overloaded{
                     [&](const Jump& i) { code_.jump(at_[i.target(pc)]); },
                     [&](const JumpIf& i) {
                       code_.branch(i, at_[pc + 1 + i.skip_true], at_[pc + 1 + i.skip_false]);
                     },
                     [&](const LoadAncillary& i) { load_ancillary(i); },
                     [&](const LoadAbsolute& i) { load_absolute(i); },
                     [&](const LoadIndirect& i) { load_indirect(i); },
                     [&](const LoadHeaderLength& i) {
                       code_.add(LoadHeaderLength{.offset = place_of(i.offset)});
                     },
                     [&](const LoadLength& i) { load_length(i.dst); },
                     [&](const auto& i) { code_.add(i); },
                 },
                 insns_[pc]);
    }
  }

 private:
  using Label = Code::Label;

  void add_text(std::string_view text) { code_.add_text(text, header_, left_out_); }
  void keep(Register r) { code_.add(StoreScratch{.src = r, .slot = kScratchSlots}); }
  void restore(Register r) { code_.add(LoadScratch{.dst = r, .slot = kScratchSlots}); }

  /// Where the byte is in the frame that the program looks for at `offset`.
  std::uint32_t place_of(std::uint32_t offset) const {
    if (offset >= kNetworkOffset) {
      return offset - kNetworkOffset + header_;
    }
    offset -= offset >= kLinkLayerOffset ? kLinkLayerOffset : 0;
    return offset + (offset >= kTypeOffset ? left_out_ : 0);
  }

  void load_absolute(const LoadAbsolute& load) {
    const std::uint32_t size = static_cast<std::uint32_t>(load.size);
    const std::uint32_t first = place_of(load.offset);
    if (place_of(load.offset + size - 1) == first + size - 1) {
      code_.add(LoadAbsolute{.size = load.size, .offset = first});
      return;
    }
    // The tag is amidst its bytes.
    keep(Register::X);
    add_text(fmt::format("ldb {}", first));
    for (std::uint32_t i = 1; i < size; ++i) {
      add_text(fmt::format("lsh 8 tax ldb {} orx", place_of(load.offset + i)));
    }
    restore(Register::X);
  }

  void load_indirect(const LoadIndirect& load) {
    if (left_out_ == 0) {
      code_.add(load);
      return;
    }
    const Label inside = code_.label();
    const Label behind = code_.label();
    const Label end = code_.label();
    add_text(fmt::format("imm {} addx", load.offset));
    code_.jump_if(comparison(Condition::GreaterEqual, 0U - kTagBytes), inside, true);
    add_text("ret 0");  // rather than wrap
    code_.place(inside);
    code_.jump_if(comparison(Condition::GreaterEqual, kTypeOffset), behind);
    for (std::uint32_t i = 1; i < static_cast<std::uint32_t>(load.size); ++i) {
      const Label next = code_.label();
      code_.jump_if(comparison(Condition::Equal, kTypeOffset - i), next, true);
      load_absolute({.size = load.size, .offset = kTypeOffset - i});
      code_.jump(end);
      code_.place(next);
    }
    code_.add(load);
    code_.jump(end);
    code_.place(behind);
    code_.add(LoadIndirect{.size = load.size, .offset = load.offset + left_out_});
    code_.place(end);
  }

  void load_length(Register dst) {
    if (left_out_ == 0) {
      code_.add(LoadLength{.dst = dst});
    } else if (dst == Register::A) {
      add_text("len sub l");
    } else {
      keep(Register::A);
      add_text("len sub l tax");
      restore(Register::A);
    }
  }

  void load_ancillary(const LoadAncillary& load) {
    switch (load.offset) {
      case ancillary::kXorX: return add_text("xorx");
      case ancillary::kProtocol: return add_text(kProtocol);
      case ancillary::kPacketType: return add_text(kPacketType);
      case ancillary::kVlanTagPresent: return add_text(is_tagged_ ? "imm 1" : "imm 0");
      case ancillary::kVlanTag: return add_text(is_tagged_ ? "ldh 14" : "imm 0");
      case ancillary::kVlanTpid: return add_text(is_tagged_ ? "ldh 12" : "imm 0");
      case ancillary::kPayloadOffset:
        keep(Register::X);
        add_text(kPayloadOffset);
        return restore(Register::X);
      default: return code_.add(load);
    }
  }

  Code& code_;
  const std::vector<Insn>& insns_;
  bool is_tagged_;
  std::uint32_t header_;    ///< where the network header begins in the frame
  std::uint32_t left_out_;  ///< bytes of the tag that the program does not see
  std::vector<Label> at_;   ///< where the copy of each instruction begins
};

}  // namespace

Result<std::vector<Line>> expand_ancillary(const Filter& filter, const AncillaryOptions& options) {
  TRY(check_ancillary(filter, options));
  Code code;
  if (!ancillary::depends_on_tag(filter)) {
    Copy(code, filter, false).write();
    return code.finish();
  }
  const Code::Label tagged = code.label();
  code.add_text("ldh 12", 0, 0);
  for (const std::uint32_t tpid : {0x8100U, 0x88a8U}) {
    code.jump_if(comparison(Condition::Equal, tpid), tagged);
  }
  code.add_text("imm 0", 0, 0);  // as at the start
  Copy(code, filter, false).write();
  code.place(tagged);
  code.add_text("imm 0", 0, 0);
  Copy(code, filter, true).write();
  return code.finish();
}

}  // namespace cbpfc
