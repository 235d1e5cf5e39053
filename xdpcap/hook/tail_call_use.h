// SPDX-License-Identifier: BSD-3-Clause
//
// How a program uses a program array: as a hook, or as a table of programs to run.
//
// Both are tail calls.  A capture puts a program into slot N that returns N, so it changes no verdict exactly where the
// target returns N itself when slot N is empty:
//
//     r3 = r6                                 r3 = 1
//     tail call (map 12, r3)                  tail call (map 12, r3)
//     r0 = r6                                 r0 = 2
//     exit              a hook                exit              an optional plug-in: a capture in slot 1 drops its packets
//
// To know whether two registers hold the same number, values are numbered as an optimising compiler does it: each
// instruction that makes a new value gives it a symbol, moves copy symbols, and where ways meet, places whose values differ
// get a symbol of that meeting point, the same one if they were equal on every way.  Slots of the stack are followed like
// registers.  First the function up to the tail call is walked, then what follows when it fails.
//
// A target that still has something to do when the tail call fails (calls a helper, writes to memory) is not using a hook,
// even if it returns the index in the end, because a capture would keep it from doing that.
//
// Compilers make one tail call of several.  Where the index is one value or another, depending on the way, and the answer is
// not clear for all, each way is followed by itself.
//
// Only the low 32 bits count: an index and an action have no more.
//
// Limits: a value that is computed a second time is not recognised as the same; nor is the result of a function of the
// program, unless the function makes the tail call itself.  The answer then is Unclear, never wrong.
//
// Cost: linear in the program's length for each tail call, some passes for loops; kMostSteps bounds it.
//
// Source of what translated instructions look like: Linux v6.18 kernel/bpf/syscall.c bpf_insn_prepare_dump(),
// kernel/bpf/verifier.c do_misc_fixups(), jit_subprogs().
// Tested by: xdpcap/tests/hook/tail_call_use_test.cc, tail_call_deceit_test.cc; compiled programs by xdpcap/tests/kernel/hook/hook_proof_test.cc.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace xdpcap {

/// One tail call, and what the program does when the slot is empty.
struct TailCallUse {
  enum class Ending : std::uint8_t {
    ReturnsIndex,  ///< returns the index it used, and does nothing else
    ReturnsOther,  ///< returns another number
    Unclear,  ///< does more than return, or returns something that is not known to be the index
  };
  Ending ending = Ending::Unclear;
  std::string found;  ///< of the program, as in "tail-calls slot 1, and returns 2 if it is empty"
};

/// How much an ending speaks against a hook.
constexpr int weight(TailCallUse::Ending ending) {
  return ending == TailCallUse::Ending::ReturnsOther ? 2
         : ending == TailCallUse::Ending::Unclear    ? 1
                                                     : 0;
}

/// Instructions that are looked at before a program is given up as Unclear.
inline constexpr std::size_t kMostSteps = 1'000'000;

/// The tail calls of a program into the map `map_id`, and those into maps that the program does not name, which are Unclear.
/// `insns` is a whole program as the kernel shows it: translated, with ids of maps, and with numbers of helpers or zeros.
/// A program that cannot be followed has one use, which is Unclear.
std::vector<TailCallUse> tail_calls_into(std::span<const cbpfc::ebpf::Insn> insns,
                                         std::uint32_t map_id);

}  // namespace xdpcap
