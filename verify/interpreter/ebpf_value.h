// SPDX-License-Identifier: BSD-3-Clause
//
// What a register or a piece of the stack holds while eBPF is interpreted: 64 bits, and what kind of
// thing they are.

#pragma once

#include <cstdint>
#include <string_view>

namespace cbpfc::ebpf {

enum class Region : std::uint8_t { Unwritten, Number, Packet, PacketEnd, Stack, Context };

struct Value {
  std::uint64_t bits = 0;
  Region region = Region::Unwritten;
  bool is_number() const { return region == Region::Number; }
};

constexpr Value number(std::uint64_t bits) {
  return {.bits = bits, .region = Region::Number};
}

constexpr std::string_view name_of(Region region) {
  switch (region) {
    case Region::Unwritten: return "nothing";
    case Region::Number: return "a number";
    case Region::Packet: return "a pointer into the packet";
    case Region::PacketEnd: return "the pointer behind the packet";
    case Region::Stack: return "a pointer into the stack";
    case Region::Context: return "a pointer into the context";
  }
  return "?";
}

}  // namespace cbpfc::ebpf
