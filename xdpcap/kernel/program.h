// SPDX-License-Identifier: BSD-3-Clause
//
// Loading XDP programs, and asking programs who they are.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

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

}  // namespace xdpcap
