// SPDX-License-Identifier: BSD-3-Clause
//
// Direct packet access: packet_start and packet_end are pointers into an XDP or TC packet, and the
// verifier lets bytes be loaded behind a comparison with packet_end that covers them.
//
//     guard p[..24]     tmp = start; tmp += 24; if tmp > end goto no_match
//     base = x + -6     w_base = -6; w_base += w_x; w_base += unknown 0; if base > limit goto no_match;
//                       base += start; tmp = base; tmp += proven_end; if tmp > end goto no_match
//     a = p16[12]       a = *(u16 *)(start + 12); a = be16 a
//
// Comparisons that bound an offset are 64 bits wide: older verifiers learn the bound of a 64-bit
// register only from those.
//
// Source: Linux v6.18 kernel/bpf/verifier.c find_good_pkt_pointers(), MAX_PACKET_OFF.
// Tested by: compile_ebpf_test.cc, differential/.

#include <cassert>

#include "packet_reader.h"

namespace cbpfc {
namespace {

using ebpf::Reg;

class DirectReader : public PacketReader {
 public:
  using PacketReader::PacketReader;

  void guard(const AbsoluteGuard& guard) override { check_end(options().packet_start, guard.end); }

  void guard(const IndirectGuard& guard) override {
    const Reg base = fragment_.base;
    if (!guard.keep_base) {
      if (guard
              .x_is_small) {  // base is 0; a copy does no harm, the next instruction makes it a pointer
        code_.add(ebpf::mov32(base, fragment_.x));
      } else {
        fragment_.copy_unseen(base, fragment_.x, guard.base);
        // What the verifier knows of X's bits may contradict the limit.  It would then walk the branch
        // that cannot be taken, with a made-up value, and refuse that; so it forgets what it knows.
        load_unknown_zero(fragment_.tmp);
        code_.add(ebpf::alu32(ebpf::Alu::Add, base, fragment_.tmp));
        fragment_.leave_if(
            ebpf::Cmp::Greater, base,
            static_cast<std::int32_t>(max_packet_offset(options()) - guard.proven_end));
      }
      code_.add(ebpf::alu(ebpf::Alu::Add, base, options().packet_start));
    }
    check_end(base, guard.proven_end);
  }

  void load(Reg dst, std::uint32_t offset, Size size) override {
    load_from(dst, options().packet_start, offset, size);
  }
  void load(const LoadFromBase& load) override {
    load_from(fragment_.a, fragment_.base, load.offset, load.size);
  }
  void load(const LoadIndirect&) override {
    assert(false && "guard_packet leaves no LoadIndirect");
  }

  void load_length(Reg dst) override {
    code_.add(ebpf::mov(dst, options().packet_end));
    code_.add(ebpf::alu(ebpf::Alu::Sub, dst, options().packet_start));
    code_.add(ebpf::mov32(dst, dst));  // the verifier knows nothing of a difference of pointers
  }

  /// The upper half of the packet's length, a difference of pointers, which the verifier does not follow.
  void load_unknown_zero(Reg dst) override {
    code_.add(ebpf::mov(dst, options().packet_end));
    code_.add(ebpf::alu(ebpf::Alu::Sub, dst, options().packet_start));
    code_.add(ebpf::alu(ebpf::Alu::Rsh, dst, 32));
  }

 private:
  /// Leaves for no match unless `pointer` + `end` is inside the packet.
  void check_end(Reg pointer, std::uint32_t end) {
    code_.add(ebpf::mov(fragment_.tmp, pointer));
    code_.add(ebpf::alu(ebpf::Alu::Add, fragment_.tmp, static_cast<std::int32_t>(end)));
    fragment_.leave_if(ebpf::Cmp::Greater, fragment_.tmp, options().packet_end);
  }
};

}  // namespace

std::unique_ptr<PacketReader> make_direct_reader(Fragment& fragment) {
  return std::make_unique<DirectReader>(fragment);
}

}  // namespace cbpfc
