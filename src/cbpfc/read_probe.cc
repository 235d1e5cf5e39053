// SPDX-License-Identifier: BSD-3-Clause
//
// The packet at a kernel address, read with bpf_probe_read_kernel: packet_start is the address and
// packet_end the number of bytes, both of which the verifier knows nothing of and need not.  Each load is
// a call; what must survive it lives in R6 to R9, and that leaves no register for a base pointer, so each
// load relative to X is compared with the number by itself.
//
//     guard p[..24]     if end < 24 goto no_match
//     a = p16[12]       r1 = r10; r1 += slot; w2 = 2; r3 = start; r3 += 12; call probe_read_kernel
//                       if r0 != 0 goto no_match; a = *(u16 *)(r10 + slot); a = be16 a
//     a = p8[x + -6]    w3 = -6; w3 += w_x; r1 = r3; r1 += 1; if r1 > end goto no_match; r3 += start; ...
//
// A read that faults ends with no match, as one outside the packet does.
//
// Source: Linux v6.18 kernel/trace/bpf_trace.c bpf_probe_read_kernel() (since 5.5).
// Tested by: targets_test.cc.

#include <cassert>

#include "ebpf_options.h"
#include "packet_reader.h"

namespace cbpfc {
namespace {

using ebpf::Reg;

/// Number of the helper.  Source: Linux v6.18 include/uapi/linux/bpf.h.
constexpr std::int32_t kProbeReadKernel = 113;

class ProbeReader : public PacketReader {
 public:
  using PacketReader::PacketReader;

  void guard(const AbsoluteGuard& guard) override {
    fragment_.leave_if(ebpf::Cmp::Less, options().packet_end, static_cast<std::int32_t>(guard.end));
  }
  void guard(const IndirectGuard&) override {
    assert(false && "guard_packet without base pointers makes none");
  }

  void load(Reg dst, std::uint32_t offset, Size size) override {
    code_.add(ebpf::mov(Reg::R3, options().packet_start));
    if (offset != 0) {
      code_.add(ebpf::alu(ebpf::Alu::Add, Reg::R3, static_cast<std::int32_t>(offset)));
    }
    read_r3(dst, size);
  }
  void load(const LoadFromBase&) override {
    assert(false && "guard_packet without base pointers makes none");
  }
  void load(const LoadIndirect& load) override {
    fragment_.copy_unseen(Reg::R3, fragment_.x, load.offset);
    code_.add(ebpf::mov(Reg::R1, Reg::R3));
    code_.add(ebpf::alu(ebpf::Alu::Add, Reg::R1, static_cast<std::int32_t>(load.size)));
    fragment_.leave_if(ebpf::Cmp::Greater, Reg::R1, options().packet_end);
    code_.add(ebpf::alu(ebpf::Alu::Add, Reg::R3, options().packet_start));
    read_r3(fragment_.a, load.size);
  }

  void load_length(Reg dst) override { code_.add(ebpf::mov32(dst, options().packet_end)); }

  /// A difference of pointers, which the verifier does not follow.
  void load_unknown_zero(Reg dst) override {
    code_.add(ebpf::mov(dst, Reg::R10));
    code_.add(ebpf::alu(ebpf::Alu::Sub, dst, Reg::R10));
  }

 private:
  /// dst = the bytes at the address in R3.
  void read_r3(Reg dst, Size size) {
    const std::int16_t slot = probe_slot_offset(options());
    code_.add(ebpf::mov(Reg::R1, Reg::R10));
    code_.add(ebpf::alu(ebpf::Alu::Add, Reg::R1, slot));
    code_.add(ebpf::mov32(Reg::R2, static_cast<std::uint32_t>(size)));
    code_.add(ebpf::call(kProbeReadKernel));
    fragment_.leave_if(ebpf::Cmp::NotEqual, Reg::R0, 0);
    load_at(dst, Reg::R10, slot, size);
  }
};

}  // namespace

std::unique_ptr<PacketReader> make_probe_reader(Fragment& fragment) {
  return std::make_unique<ProbeReader>(fragment);
}

}  // namespace cbpfc
