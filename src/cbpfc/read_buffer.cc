// SPDX-License-Identifier: BSD-3-Clause
//
// The packet in a buffer: packet_start points to a map value or to the stack, packet_end is the number
// of valid bytes.  The verifier knows the buffer's size and nothing of that number, so a load relative
// to X passes two comparisons: one with the number, which makes it right, and one with the size, which
// makes it allowed.
//
//     guard p[..24]     if end < 24 goto no_match
//     base = x + -6     w_base = -6; w_base += w_x; w_base += unknown 0;
//                       if base > size - proven_end goto no_match
//                       w_tmp = proven_end; w_tmp += w_base; if tmp > end goto no_match
//                       base += start
//     a = p16[12]       a = *(u16 *)(start + 12); a = be16 a
//
// The stack takes aligned loads only, and a packet's fields are where they are; there
// (EbpfOptions::buffer_on_stack) wider loads are made of bytes:
//
//     a = p16[12]       a = *(u8 *)(start + 12); a <<= 8; tmp = *(u8 *)(start + 13); a |= tmp
//
// Source: Linux v6.18 kernel/bpf/verifier.c check_mem_region_access(), check_stack_read_var_off(),
// check_ptr_alignment().  Loads relative to X from the stack need Linux 5.12.
// Tested by: targets_test.cc.

#include <cassert>

#include "packet_reader.h"

namespace cbpfc {
namespace {

using ebpf::Reg;

class BufferReader : public PacketReader {
 public:
  using PacketReader::PacketReader;

  void guard(const AbsoluteGuard& guard) override {
    fragment_.leave_if(ebpf::Cmp::Less, options().packet_end, static_cast<std::int32_t>(guard.end));
  }

  void guard(const IndirectGuard& guard) override {
    const Reg base = fragment_.base;
    if (guard.x_is_small) {  // and the base is X itself
      check_end(fragment_.x, guard.proven_end);
      if (!guard.keep_base) {
        code_.add(ebpf::mov32(base, fragment_.x));
        code_.add(ebpf::alu(ebpf::Alu::Add, base, options().packet_start));
      }
      return;
    }
    fragment_.copy_unseen(base, fragment_.x, guard.base);
    // What the verifier knows of X's bits may contradict the limit; see read_direct.cc.
    load_unknown_zero(fragment_.tmp);
    code_.add(ebpf::alu32(ebpf::Alu::Add, base, fragment_.tmp));
    fragment_.leave_if(ebpf::Cmp::Greater, base,
                       static_cast<std::int32_t>(options().buffer_size_bytes - guard.proven_end));
    check_end(base, guard.proven_end);
    code_.add(ebpf::alu(ebpf::Alu::Add, base, options().packet_start));
  }

  void load(Reg dst, std::uint32_t offset, Size size) override {
    load_from_buffer(dst, options().packet_start, offset, size);
  }
  void load(const LoadFromBase& load) override {
    load_from_buffer(fragment_.a, fragment_.base, load.offset, load.size);
  }
  void load(const LoadIndirect&) override {
    assert(false && "guard_packet leaves no LoadIndirect");
  }

  void load_length(Reg dst) override { fragment_.copy_unseen(dst, options().packet_end, 0); }

  /// A difference of pointers, which the verifier does not follow.
  void load_unknown_zero(Reg dst) override {
    code_.add(ebpf::mov(dst, Reg::R10));
    code_.add(ebpf::alu(ebpf::Alu::Sub, dst, Reg::R10));
  }

 private:
  /// Leaves for no match unless `offset` + `end`, which does not wrap, is at most the number of bytes.
  void check_end(Reg offset, std::uint32_t end) {
    fragment_.copy_unseen(fragment_.tmp, offset, end);
    fragment_.leave_if(ebpf::Cmp::Greater, fragment_.tmp, options().packet_end);
  }

  void load_from_buffer(Reg dst, Reg pointer, std::uint32_t offset, Size size) {
    if (!options().buffer_on_stack) {
      load_from(dst, pointer, offset, size);
      return;
    }
    load_from(dst, pointer, offset, Size::Byte);
    for (std::uint32_t i = 1; i < static_cast<std::uint32_t>(size); ++i) {
      code_.add(ebpf::alu32(ebpf::Alu::Lsh, dst, 8U));
      load_from(fragment_.tmp, pointer, offset + i, Size::Byte);
      code_.add(ebpf::alu32(ebpf::Alu::Or, dst, fragment_.tmp));
    }
  }
};

}  // namespace

std::unique_ptr<PacketReader> make_buffer_reader(Fragment& fragment) {
  return std::make_unique<BufferReader>(fragment);
}

}  // namespace cbpfc
