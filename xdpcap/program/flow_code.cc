// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/flow_code.h"

#include <fmt/core.h>

#include <array>
#include <cstddef>

#include "xdpcap/program/abi.h"
#include "xdpcap/program/helpers.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): as in capture_program.cc

constexpr Reg kHeader = Reg::R2;  ///< where the header starts that is read next
constexpr Reg kEnd = Reg::R3;
constexpr Reg kType = Reg::R4;  ///< the EtherType as it lies in the packet

constexpr std::uint32_t big_endian(std::uint16_t number) {
  return static_cast<std::uint32_t>(number >> 8 | (number & 0xff) << 8);
}

/// Writes parts of the key.
class FlowKeyCode {
 public:
  FlowKeyCode(Assembly& code, std::int16_t key_offset) : code_(code), key_(key_offset) {}

  void emit(Reg context) {
    for (std::size_t offset = 0; offset < sizeof(abi::FlowKey); offset += 8) {
      code_.add(store(Width::Double, Reg::R10, at(offset), 0));
    }
    code_.add(load(Width::Word, kHeader, context, context::kData));
    code_.add(load(Width::Word, kEnd, context, context::kDataEnd));
    need(14);
    code_.add(load(Width::Half, kType, kHeader, 12));
    code_.add(alu(Alu::Add, kHeader, 14));
    skip_tags();
    code_.add(store(Width::Half, Reg::R10, at(offsetof(abi::FlowKey, ether_type)), kType));
    code_.jump_if32(Cmp::Equal, kType, big_endian(0x0800), "flow_ip4");
    code_.jump_if32(Cmp::NotEqual, kType, big_endian(0x86dd), "flow_done");
    emit_ip6();
    code_.label("flow_ip4");
    emit_ip4();
    code_.label("flow_ports");
    emit_ports();
    code_.label("flow_done");
  }

 private:
  std::int16_t at(std::size_t offset) const {
    return static_cast<std::int16_t>(key_ + static_cast<int>(offset));
  }

  /// Goes on only if so many bytes are there; overwrites R0.
  void need(std::int32_t bytes) {
    code_.add(mov(Reg::R0, kHeader));
    code_.add(alu(Alu::Add, Reg::R0, bytes));
    code_.jump_if(Cmp::Greater, Reg::R0, kEnd, "flow_done");
  }

  void copy(Width width, std::int16_t from, std::size_t to) {
    code_.add(load(width, Reg::R0, kHeader, from));
    code_.add(store(width, Reg::R10, at(to), Reg::R0));
  }

  void skip_tags() {
    for (int tag = 0; tag < 2; ++tag) {
      const std::string untagged = fmt::format("flow_untagged{}", tag);
      const std::string tagged = fmt::format("flow_tagged{}", tag);
      code_.jump_if32(Cmp::Equal, kType, big_endian(0x8100), tagged);
      code_.jump_if32(Cmp::NotEqual, kType, big_endian(0x88a8), untagged);
      code_.label(tagged);
      need(4);
      code_.add(load(Width::Half, kType, kHeader, 2));
      code_.add(alu(Alu::Add, kHeader, 4));
      code_.label(untagged);
    }
  }

  void emit_ip4() {
    need(20);
    copy(Width::Word, 12, offsetof(abi::FlowKey, source));
    copy(Width::Word, 16, offsetof(abi::FlowKey, destination));
    copy(Width::Byte, 9, offsetof(abi::FlowKey, protocol));
    code_.add(mov(Reg::R5, Reg::R0));
    code_.add(load(Width::Half, Reg::R0, kHeader, 6));
    code_.jump_if32(Cmp::Any, Reg::R0, big_endian(0x1fff), "flow_done");
    code_.add(load(Width::Byte, Reg::R0, kHeader, 0));
    code_.add(alu(Alu::And, Reg::R0, 15));
    code_.add(alu(Alu::Lsh, Reg::R0, 2));
    code_.add(alu(Alu::Add, kHeader, Reg::R0));
  }

  void emit_ip6() {
    need(40);
    for (int part = 0; part < 16; part += 8) {
      copy(Width::Double, static_cast<std::int16_t>(8 + part),
           offsetof(abi::FlowKey, source) + static_cast<std::size_t>(part));
      copy(Width::Double, static_cast<std::int16_t>(24 + part),
           offsetof(abi::FlowKey, destination) + static_cast<std::size_t>(part));
    }
    copy(Width::Byte, 6, offsetof(abi::FlowKey, protocol));
    code_.add(mov(Reg::R5, Reg::R0));
    code_.add(alu(Alu::Add, kHeader, 40));
    code_.jump("flow_ports");
  }

  /// R5: the protocol; kHeader: what comes behind IP.
  void emit_ports() {
    for (const std::uint32_t protocol : {6U, 17U, 132U, 136U}) {
      code_.jump_if32(Cmp::Equal, Reg::R5, protocol, "flow_has_ports");
    }
    code_.jump("flow_done");
    code_.label("flow_has_ports");
    need(4);
    copy(Width::Half, 0, offsetof(abi::FlowKey, source_port));
    copy(Width::Half, 2, offsetof(abi::FlowKey, destination_port));
  }

  Assembly& code_;
  std::int16_t key_;
};

}  // namespace

void emit_flow_key(Assembly& code, Reg context, std::int16_t key_offset) {
  FlowKeyCode(code, key_offset).emit(context);
}

}  // namespace xdpcap
