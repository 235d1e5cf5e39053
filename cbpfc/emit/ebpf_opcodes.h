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
inline constexpr int kMem = 0x60, kAtomic = 0xc0, kModeMask = 0xe0, kSizeMask = 0x18;
inline constexpr int kSourceReg = 0x08, kOpMask = 0xf0;
inline constexpr int kNeg = 0x80, kEnd = 0xd0, kToBigEndian = 0x08;
inline constexpr int kJa = 0x00, kCall = 0x80, kExit = 0x90, kJcond = 0xe0;
inline constexpr int kSignedGreater = 0x60, kSignedGreaterEqual = 0x70, kSignedLess = 0xc0,
                     kSignedLessEqual = 0xd0;
inline constexpr int kLoadImm64 = 0x18;
/// Source register of a 16-byte load whose immediate is a map's descriptor (BPF_PSEUDO_MAP_FD).
inline constexpr Reg kPseudoMapFd = Reg::R1;
/// The same, but the address of the map's value plus the second half's immediate (BPF_PSEUDO_MAP_VALUE).
inline constexpr Reg kPseudoMapValue = Reg::R2;
/// What an atomic operation adds to its immediate to give the old value (BPF_FETCH).
inline constexpr int kFetch = 0x01;

/// Helpers.  Source: Linux v6.18 include/uapi/linux/bpf.h ___BPF_FUNC_MAPPER.
inline constexpr int kHelperRandom = 7, kHelperProcessorId = 8, kHelperProbeReadKernel = 113;

}  // namespace cbpfc::ebpf::opcode
