// SPDX-License-Identifier: BSD-3-Clause
//
// An interpreter of emitted eBPF: what a fragment answers, and how many instructions it takes.
//
// It reads the instructions the kernel would get, and knows nothing of where they came from:
//
//     Assembly code = TRY(compile_ebpf(filter, {}));
//     code.label("result");                                  // at the end: the fragment stops there
//     Execution run = TRY(interpret(TRY(code.assemble()), packet, {}));
//     run.registers[4], run.insns                            // value, instructions executed
//
// The count is the figure of merit of the optimiser: unlike time it is free of noise.
//
// It is stricter than a processor: a register knows whether it holds a number or a pointer, and
// into what.  A load or store outside the packet, the stack or the context, a register that is read
// before it was written, arithmetic that makes no sense on a pointer: each is an error that names
// the instruction, as the kernel's verifier would.  Unlike the verifier it sees one packet only.
//
// It knows the instruction set of Linux 5.1 (cpu v3), bswap of v4, and the helpers
// bpf_get_prandom_u32, bpf_get_smp_processor_id and bpf_probe_read_kernel.  No maps.

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/ebpf.h>
#include <cbpfc/result.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace cbpfc::ebpf {

/// What the registers hold when a fragment or a program starts; R10 is the frame pointer, all others
/// are unwritten.
struct EntryState {
  PacketAccess access = PacketAccess::Direct;
  Reg packet_start = Reg::R2;  ///< pointer to the packet; Probe: its address, a number
  Reg packet_end = Reg::R3;    ///< pointer behind the packet; Buffer, Probe: its length, a number
  std::optional<Reg> packet_length = std::nullopt;  ///< register with `wire_length_bytes`
  std::uint32_t wire_length_bytes = 0;
  std::optional<Reg> context = std::nullopt;  ///< pointer to a struct xdp_md of this packet
  std::uint32_t ingress_ifindex = 1;          ///< in that
  std::uint32_t rx_queue_index = 0;           ///< in that
  std::uint32_t processor_id = 0;             ///< what bpf_get_smp_processor_id gives
  std::uint32_t random = 0;                   ///< what bpf_get_prandom_u32 gives
  std::vector<std::size_t> stops = {};        ///< instructions before which the run ends, too
};

/// The entry state that compile_ebpf() expects of whoever runs its fragment.
EntryState entry_state(const EbpfOptions& options, std::uint32_t wire_length_bytes);

struct Execution {
  std::array<std::uint64_t, 11> registers = {};  ///< pointers as made-up addresses; unwritten as 0
  std::array<bool, 11> is_number = {};           ///< neither a pointer nor unwritten
  std::size_t stopped_at = 0;                    ///< the `exit`, or the number of instructions
  std::uint64_t insns = 0;                       ///< executed; a 16-byte load counts as one
};

/// Most instructions one run may execute.
inline constexpr std::uint64_t kMaxInterpretedInsns = 10'000'000;

/// Runs `insns` over `packet` until an `exit`, or until control reaches the end of `insns`, where a
/// fragment's result label is.
///
/// Errors: Errc::InvalidProgram, "run eBPF: instruction N: reason", for what the kernel would refuse
/// or must not happen; Errc::Unsupported for helpers and maps it does not know;
/// Errc::InvalidArgument after `max_insns` instructions.
Result<Execution> interpret(std::span<const Insn> insns, std::span<const std::uint8_t> packet,
                            const EntryState& entry,
                            std::uint64_t max_insns = kMaxInterpretedInsns);

}  // namespace cbpfc::ebpf
