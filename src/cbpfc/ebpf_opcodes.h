// SPDX-License-Identifier: BSD-3-Clause
//
// The bits of an eBPF opcode.
//
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst,
// include/uapi/linux/bpf.h.

#pragma once

#include <cbpfc/ebpf.h>

namespace cbpfc::ebpf::opcode {

inline constexpr int kClassMask = 0x07;
inline constexpr int kLd = 0, kLdx = 1, kSt = 2, kStx = 3, kAlu32 = 4, kJmp = 5, kJmp32 = 6,
                     kAlu64 = 7;
inline constexpr int kMem = 0x60, kSizeMask = 0x18;
inline constexpr int kSourceReg = 0x08, kOpMask = 0xf0;
inline constexpr int kNeg = 0x80, kEnd = 0xd0, kToBigEndian = 0x08;
inline constexpr int kJa = 0x00, kCall = 0x80, kExit = 0x90, kJcond = 0xe0;
inline constexpr int kLoadImm64 = 0x18;
/// Source register of a 16-byte load whose immediate is a map's descriptor (BPF_PSEUDO_MAP_FD).
inline constexpr Reg kPseudoMapFd = Reg::R1;

}  // namespace cbpfc::ebpf::opcode
