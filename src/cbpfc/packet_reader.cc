// SPDX-License-Identifier: BSD-3-Clause
//
// What the ways to the packet have in common.

#include "packet_reader.h"

#include <limits>
#include <utility>

namespace cbpfc {
namespace {

ebpf::Width width_of(Size size) {
  switch (size) {
    case Size::Byte: return ebpf::Width::Byte;
    case Size::Half: return ebpf::Width::Half;
    case Size::Word: return ebpf::Width::Word;
  }
  std::unreachable();
}

}  // namespace

void PacketReader::load_at(ebpf::Reg dst, ebpf::Reg pointer, std::int16_t offset, Size size) {
  code_.add(ebpf::load(width_of(size), dst, pointer, offset));
  if (size != Size::Byte) {
    code_.add(ebpf::from_be(dst, 8 * static_cast<int>(size)));
  }
}

void PacketReader::load_from(ebpf::Reg dst, ebpf::Reg pointer, std::uint32_t offset, Size size) {
  if (offset > std::numeric_limits<std::int16_t>::max()) {
    code_.add(ebpf::mov(fragment_.tmp, pointer));
    code_.add(ebpf::alu(ebpf::Alu::Add, fragment_.tmp, static_cast<std::int32_t>(offset)));
    pointer = fragment_.tmp;
    offset = 0;
  }
  load_at(dst, pointer, static_cast<std::int16_t>(offset), size);
}

std::uint32_t max_packet_offset(const EbpfOptions& options) {
  switch (options.access) {
    case PacketAccess::Direct: return kMaxPacketOffset - options.packet_start_offset_bytes;
    case PacketAccess::Buffer: return options.buffer_size_bytes;
    case PacketAccess::Probe: return std::numeric_limits<std::int32_t>::max();
  }
  std::unreachable();
}

std::unique_ptr<PacketReader> make_packet_reader(Fragment& fragment) {
  switch (fragment.options.access) {
    case PacketAccess::Direct: return make_direct_reader(fragment);
    case PacketAccess::Buffer: return make_buffer_reader(fragment);
    case PacketAccess::Probe: return make_probe_reader(fragment);
  }
  std::unreachable();
}

}  // namespace cbpfc
