// SPDX-License-Identifier: BSD-3-Clause
//
// Running a loaded program over a packet that no interface received (BPF_PROG_TEST_RUN), and what
// the kernel made of a program.
//
// Source: Linux v6.18 net/bpf/test_run.c bpf_prog_test_run_xdp(); kernel/bpf/syscall.c
// bpf_prog_get_info_by_fd().

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "xdpcap/kernel/errors.h"

namespace xdpcap {

/// Fewer bytes than this the kernel takes for no packet.
inline constexpr std::size_t kLeastTestRunBytes = 14;

struct TestRun {
  std::uint32_t value = 0;              ///< what the program returned
  std::chrono::nanoseconds each{0};     ///< the kernel's own count, a whole number
  std::chrono::nanoseconds elapsed{0};  ///< for all repetitions, by the caller's clock
};

/// Runs a program `repeat` times over one packet.
///
/// More than one repetition makes the kernel rebuild its XDP dispatcher before and after, which takes
/// it some 10 ms.
/// Errors: Kernel, Permission.
Result<TestRun> test_run(int program_fd, std::span<const std::uint8_t> packet,
                         std::uint32_t repeat = 1);

/// The longest test packet whose bytes a program finds all between data and data_end; the rest of a
/// longer one goes into buffers that it does not see there.
/// Errors: those of loading and running a program.
Result<std::size_t> longest_linear_test_packet();

struct ProgramFacts {
  std::uint32_t translated_bytes = 0;
  std::uint32_t machine_code_bytes = 0;           ///< 0: the kernel interprets
  std::optional<std::uint32_t> verified_insns{};  ///< Linux 5.16
};

/// What the verifier and the JIT compiler did.
/// Errors: Kernel.
Result<ProgramFacts> program_facts(int program_fd);

}  // namespace xdpcap
