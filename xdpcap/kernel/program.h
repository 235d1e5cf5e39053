// SPDX-License-Identifier: BSD-3-Clause
//
// Loading XDP programs, and asking programs who they are.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "xdpcap/kernel/errors.h"

namespace xdpcap {

/// Source: Linux v6.18 include/uapi/linux/bpf.h enum bpf_attach_type, enum bpf_prog_type.
inline constexpr std::uint32_t kAttachTypeXdp = 37;
inline constexpr std::uint32_t kProgramTypeXdp = 6;

struct XdpProgramSpec {
  std::string name;  ///< at most 15 characters: letters, digits, '_' and '.'
  std::span<const cbpfc::ebpf::Insn> insns;
  std::uint32_t expected_attach_type = kAttachTypeXdp;
  bool multi_buffer = false;  ///< BPF_F_XDP_HAS_FRAGS, Linux 5.18
};

/// Loads an XDP program.
///
/// The verifier writes its log only when the first try failed: a log makes loading several times
/// slower.
/// Errors: VerifierRejected with the last words of the verifier in the message and its whole log in
/// `detail`; Permission; Kernel when there is no log, as for an unknown flag or a program that may
/// not use a map it names.
Result<UniqueFd> load_xdp_program(const XdpProgramSpec& spec);

/// Why the verifier refused a program, of its log: the reason, and the instruction if it is named.
/// Empty when the log gives no reason, as when something behind the verifier refused.
std::string last_words(std::string_view verifier_log);

/// The id of a loaded program.
Result<std::uint32_t> program_id(int program_fd);

/// A loaded program's name, which may be empty.
/// Errors: Permission without CAP_SYS_ADMIN; NotFound.
Result<std::string> program_name(std::uint32_t program_id);

/// "XDP", "socket filter"; "type 99" for one that this program does not know.
std::string program_type_name(std::uint32_t type);

// What the kernel knows of a loaded program.
//
// Source: Linux v6.18 kernel/bpf/syscall.c bpf_prog_get_info_by_fd().
// Tested by: xdpcap/tests/kernel/hook/hook_inventory_test.cc.

/// Source: Linux v6.18 include/uapi/linux/bpf.h enum bpf_prog_type.  An extension takes the place of a function of
/// another program, as libxdp's dispatcher has them.
inline constexpr std::uint32_t kProgramTypeExtension = 28;

struct ProgramInfo {
  std::uint32_t id = 0;
  std::uint32_t type = 0;              ///< enum bpf_prog_type
  std::string name;                    ///< at most 15 characters; may be empty
  std::vector<std::uint32_t> map_ids;  ///< of the maps it uses
  std::uint32_t user_id = 0;           ///< of who loaded it
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
