// SPDX-License-Identifier: BSD-3-Clause
//
// Compiling: the fragments of a program, plain and optimised, run by the interpreter of eBPF, give the
// classic interpreter's answer, and so does libpcap.
//
// The bytes are a packet's length, a program, and the packet:
//
//     03 | 28 00 00 00 0c 00 00 00 | 06 00 00 00 01 00 00 00 | aa bb cc
//
// Bytes that are no valid program are made one: unknown opcodes become known ones, constants and jumps
// are brought into their range, a return is put at the end.  A valid program is taken as it is.  Beside
// the given packet it sees some that are made to take its paths.

#include <cbpfc/text.h>

#include <algorithm>
#include <array>

#include "verify/differential/engines/agreement.h"
#include "verify/differential/generators/packet_maker.h"
#include "verify/fuzz/fuzz.h"

namespace {

using cbpfc::Filter;
using cbpfc::RawInsn;

constexpr std::size_t kMostInsns = 200;

constexpr std::array<std::uint16_t, 46> kOpcodes = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0c, 0x14, 0x15, 0x16, 0x1c, 0x1d, 0x20, 0x24,
    0x25, 0x28, 0x2c, 0x2d, 0x30, 0x34, 0x35, 0x3c, 0x3d, 0x40, 0x44, 0x45, 0x48, 0x4c, 0x4d, 0x50,
    0x54, 0x5c, 0x60, 0x61, 0x64, 0x6c, 0x74, 0x7c, 0x80, 0x81, 0x84, 0x87, 0x94, 0xb1};

/// Without 0x9c, 0xa4 and 0xac, which fill the table's place of the invalid opcodes.
std::uint16_t known_opcode(std::uint16_t code) {
  const bool is_known = std::ranges::find(kOpcodes, code) != kOpcodes.end() || code == 0x9c ||
                        code == 0xa4 || code == 0xac;
  return is_known ? code : kOpcodes[code % kOpcodes.size()];
}

/// `raw` as a valid instruction with `left` instructions behind it, at least 1.
RawInsn repaired(RawInsn raw, std::size_t left) {
  raw.code = known_opcode(raw.code);
  const auto bound = [](auto value, std::size_t most) {
    return static_cast<decltype(value)>(value < most ? value : value % most);
  };
  switch (raw.code) {
    case 0x02:
    case 0x03:
    case 0x60:
    case 0x61: raw.k = bound(raw.k, cbpfc::kScratchSlots); break;
    case 0x64:
    case 0x74: raw.k = bound(raw.k, 32); break;
    case 0x34:
    case 0x94: raw.k = std::max(raw.k, 1U); break;
    case 0x05: raw.k = bound(raw.k, left); break;
    case 0x20:
    case 0x28:
    case 0x30:
    case 0xb1:
      // Ancillary loads, and from headers, are not compiled.
      raw.k = raw.k >= cbpfc::kLinkLayerOffset ? raw.k & 0xffff : raw.k;
      break;
    default: break;
  }
  if ((raw.code & 0x07) == 0x05 && raw.code != 0x05) {
    raw.jt = bound(raw.jt, left);
    raw.jf = bound(raw.jf, left);
  }
  return raw;
}

/// The program behind the bytes; always one.
Filter filter_of(std::vector<RawInsn> program) {
  program.resize(std::min(program.size(), kMostInsns));
  if (program.empty() || (program.back().code != 0x06 && program.back().code != 0x16)) {
    program.push_back({.code = 0x16});
  }
  for (std::size_t i = 0; i + 1 < program.size(); ++i) {
    program[i] = repaired(program[i], program.size() - 1 - i);
  }
  auto filter = Filter::decode(program);
  if (!filter) {  // reads scratch slots that not every path has written
    std::vector<RawInsn> written;
    for (std::uint32_t slot = 0; slot < cbpfc::kScratchSlots; ++slot) {
      written.push_back({.code = 0x02, .k = slot});
    }
    program.insert(program.begin(), written.begin(), written.end());
    filter = Filter::decode(program);
  }
  fuzz::require(filter.has_value(), filter ? "" : "cannot be repaired: " + filter.error().message);
  return *std::move(filter);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMostPacketBytes = 128;
  constexpr std::size_t kExplored = 6;
  if (size == 0) {
    return 0;
  }
  std::span<const std::uint8_t> bytes(data + 1, size - 1);
  const std::size_t packet_bytes = std::min(data[0] % kMostPacketBytes, bytes.size());
  const auto packet = bytes.last(packet_bytes);
  const Filter filter = filter_of(fuzz::as_program(bytes.first(bytes.size() - packet_bytes)));

  // Plain, and one of the others: all of them would take more time than they find.
  const std::vector<differential::Configuration> all = differential::configurations();
  differential::CheapEngines engines({all[0], all[1 + size % (all.size() - 1)]});
  differential::Dice dice(size);
  std::vector<differential::Packet> packets = differential::explore(filter, kExplored, dice);
  packets.emplace_back(packet.begin(), packet.end());
  std::string failure = engines.load(filter);
  for (std::size_t i = 0; i < packets.size() && failure.empty(); ++i) {
    failure = engines.run(packets[i]);
  }
  fuzz::require(failure.empty(),
                failure + "\n" + cbpfc::print_program(filter.encode(), cbpfc::TextForm::OneLine));
  return 0;
}
