// SPDX-License-Identifier: BSD-3-Clause
//
// What the kernel knows of a loaded program.
//
// Source: Linux v6.18 kernel/bpf/syscall.c bpf_prog_get_info_by_fd().
// Tested by: xdpcap/tests/kernel/hook/hook_inventory_test.cc.

#pragma once

#include <cbpfc/ebpf.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "xdpcap/kernel/errors.h"

namespace xdpcap {

/// Source: Linux v6.18 include/uapi/linux/bpf.h enum bpf_prog_type.  An extension takes the place of a function of
/// another program, as libxdp's dispatcher has them.
inline constexpr std::uint32_t kProgramTypeExtension = 28;

struct ProgramInfo {
  std::uint32_t id = 0;
  std::uint32_t type = 0;                ///< enum bpf_prog_type
  std::string name;                      ///< at most 15 characters; may be empty
  std::vector<std::uint32_t> map_ids;    ///< of the maps it uses
  std::chrono::nanoseconds loaded{0};    ///< when, since the machine started (CLOCK_BOOTTIME)
  std::uint32_t user_id = 0;             ///< of who loaded it
  std::array<std::uint8_t, 8> tag = {};  ///< hash of its instructions
};

/// Errors: Permission, Kernel.
Result<ProgramInfo> program_info(int program_fd);

/// The instructions of a loaded program, translated: with ids of maps, and numbers of helpers, which are 0 where the kernel
/// hides addresses (kernel.kptr_restrict, no CAP_SYSLOG).  Empty when the kernel shows none, as it does not without CAP_BPF,
/// or of programs with blinded constants (net.core.bpf_jit_harden) where it hides addresses.
///
/// Source: Linux v6.18 kernel/bpf/syscall.c bpf_insn_prepare_dump().
/// Errors: Permission, Kernel.
Result<std::vector<cbpfc::ebpf::Insn>> program_instructions(int program_fd);

}  // namespace xdpcap
