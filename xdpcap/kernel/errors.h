// SPDX-License-Identifier: BSD-3-Clause
//
// errno to Error, at the system call that failed; which capabilities this process lacks, to say so when the kernel only says
// "not permitted".

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace xdpcap {

/// Source: Linux v6.18 include/uapi/linux/capability.h.
enum class Capability : std::uint8_t {
  DacOverride = 1,
  DacReadSearch = 2,
  SetGid = 6,
  SetUid = 7,
  NetAdmin = 12,
  SysPtrace = 19,
  SysAdmin = 21,
  SysResource = 24,
  Perfmon = 38,
  Bpf = 39,
};

/// What loading an XDP program that computes packet offsets takes.
/// Source: Linux v6.18 kernel/bpf/syscall.c bpf_prog_load(), kernel/bpf/verifier.c.
inline constexpr Capability kProgramCapabilities[] = {Capability::Bpf, Capability::NetAdmin,
                                                      Capability::Perfmon};
/// What creating maps takes.
inline constexpr Capability kMapCapabilities[] = {Capability::Bpf};
/// What opening a pin of a networking map and changing it takes.
inline constexpr Capability kHookCapabilities[] = {Capability::Bpf, Capability::NetAdmin};
/// What reaching programs by their ids takes.
inline constexpr Capability kIdCapabilities[] = {Capability::SysAdmin};

/// "CAP_BPF".
std::string name(Capability capability);

/// Those of `needed` that `effective` has not; CAP_SYS_ADMIN stands for each of them.
/// Units: `effective` is the bit set of CapEff in /proc/<pid>/status.
std::vector<Capability> missing_capabilities(std::span<const Capability> needed,
                                             std::uint64_t effective);

/// The effective capabilities of this thread; all of them if the kernel does not tell.
std::uint64_t effective_capabilities();

/// The failure of a bpf(2) call.
///
/// EPERM and EACCES name the capabilities of `needed` that this process lacks.  RLIMIT_MEMLOCK is
/// never suspected: the only kernels that count BPF memory there, before 5.11, are too old for
/// capture programs anyway.
std::unexpected<Error> kernel_failure(const std::string& attempt, int error_number,
                                      std::span<const Capability> needed);

/// The reason alone, as kernel_failure() words it: "Operation not permitted: this needs CAP_BPF".
std::string describe_errno(int error_number, std::span<const Capability> needed);

/// Keeps libbpf from writing to stderr; its messages are about calls whose failure we report.
///
/// libbpf raises RLIMIT_MEMLOCK by itself where the kernel counts BPF memory (before 5.11), and
/// goes on when it may not.
void silence_libbpf();

}  // namespace xdpcap
