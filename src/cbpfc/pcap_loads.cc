// SPDX-License-Identifier: BSD-3-Clause
//
// Both come about because libpcap adds numbers without looking at what they are.
//
//     inbound, radiotap:  ldh [x + -4092]   =>   ldh [-4092]
//     isis, BACnet:       ldb [-2]          =>   ret #0
//
// An ancillary load, here of the packet type, keeps its meaning only as an absolute one.  Where the link-layer
// header has a variable length, libpcap adds that (X) to every offset, and to this one, too.  The result
// would be a load outside the packet, so that "inbound" and "not inbound" both never match.
//
// Where a link type has no network header, libpcap's offset of it is -1, and a field of that header is at
// -2 or so.  That is outside every packet, so libpcap's interpreter ends there with 0.  The kernel takes it for an
// ancillary load that it does not know, and refuses the program.
//
// Source: libpcap 1.10.3 gencode.c gen_inbound(), gen_ifindex(), gen_load_absoffsetrel(), OFFSET_NOT_SET; Linux
// v6.18 net/core/filter.c bpf_check_classic().
// Tested by: pcap_filter_test.cc.

#include "pcap_loads.h"

#include "classic_opcodes.h"

namespace cbpfc {

void settle_loads(std::span<RawInsn> program) {
  for (RawInsn& insn : program) {
    if ((insn.code & opcode::kClassMask) != opcode::kLd) {
      continue;
    }
    const int mode = insn.code & opcode::kModeMask;
    const bool is_ancillary = is_ancillary_load(insn.k);
    if (mode == opcode::kInd && is_ancillary) {
      insn.code =
          static_cast<std::uint16_t>(opcode::kLd | opcode::kAbs | (insn.code & opcode::kSizeMask));
    } else if (mode == opcode::kAbs && insn.k >= kAncillaryOffset && !is_ancillary) {
      insn = {.code = opcode::kRet};
    }
  }
}

}  // namespace cbpfc
