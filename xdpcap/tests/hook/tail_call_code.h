// SPDX-License-Identifier: BSD-3-Clause
//
// Programs with tail calls, as the kernel shows them.

#pragma once

#include <cbpfc/ebpf.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "xdpcap/hook/tail_call_use.h"

namespace xdpcap::test {

inline constexpr std::uint32_t kMap = 12;
inline constexpr std::uint32_t kOther = 13;
inline constexpr std::int32_t kTailCallHelper = 12;
inline constexpr std::int32_t kOtherHelper = 5;

/// A program under construction, with what cbpfc has no need of.
struct Code {
  cbpfc::ebpf::Assembly assembly;

  Code& add(const cbpfc::ebpf::Insn& insn) {
    assembly.add(insn);
    return *this;
  }
  /// As the kernel shows it: the id of the map.
  Code& load_map(cbpfc::ebpf::Reg dst, std::uint32_t id) {
    return add({.opcode = 0x18,
                .registers = static_cast<std::uint8_t>(0x10U | static_cast<std::uint8_t>(dst)),
                .offset = 0,
                .immediate = static_cast<std::int32_t>(id)})
        .add({});
  }
  Code& tail_call(std::uint32_t map = kMap, std::int32_t helper = kTailCallHelper) {
    return load_map(cbpfc::ebpf::Reg::R2, map).add(cbpfc::ebpf::call(helper));
  }
  /// Calls the function that begins so many instructions behind.
  Code& call_function(std::int16_t distance) {
    return add({.opcode = 0x85, .registers = 0x10, .offset = distance, .immediate = 0});
  }
  Code& jump_if(cbpfc::ebpf::Cmp cmp, cbpfc::ebpf::Reg left, std::int32_t right,
                const std::string& target) {
    assembly.jump_if(cmp, left, right, target);
    return *this;
  }
  Code& jump(const std::string& target) {
    assembly.jump(target);
    return *this;
  }
  Code& label(const std::string& name) {
    assembly.label(name);
    return *this;
  }
  std::vector<TailCallUse> uses() const {
    return tail_calls_into(assembly.assemble().value(), kMap);
  }
  /// The ending of the only use.
  TailCallUse::Ending ending() const {
    const std::vector<TailCallUse> all = uses();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? TailCallUse::Ending::Unclear : all.front().ending;
  }
};

/// Begins a program whose action, r6, is a byte of the packet.
inline Code with_action() {
  return Code()
      .add(cbpfc::ebpf::load(cbpfc::ebpf::Width::Word, cbpfc::ebpf::Reg::R7, cbpfc::ebpf::Reg::R1,
                             0))
      .add(cbpfc::ebpf::load(cbpfc::ebpf::Width::Byte, cbpfc::ebpf::Reg::R6, cbpfc::ebpf::Reg::R7,
                             9));
}

}  // namespace xdpcap::test
