// SPDX-License-Identifier: BSD-3-Clause
//
// Whether a program array is a hook, before anything is put into it.
//
// To the kernel, a hook and a dispatch table are the same kind of map.  In a hook, a program in slot N that returns N changes
// nothing.  In a dispatch table it takes the place of a program that should have run, and packets are lost.  So an array is
// taken for a hook
//
//     by the instructions   if every tail call into it, of every XDP program that uses it, is followed by returning the index
//                           when the slot is empty, as xdpcap_exit() does (tail_call_use.h), and there is at least one
//     by its name           if that begins with "xdpcap", and no program is seen to return anything else
//
// The instructions of other programs can be read only with CAP_SYS_ADMIN (ids to descriptors) and CAP_BPF.  Without those the
// name decides.
//
// What is shown holds for the programs that are loaded now; one that is loaded later may use the same map in another way.
//
// Cost: one look at each program of the machine, and the instructions of those that use the map.
//
// Tested by: xdpcap/tests/kernel/hook/hook_proof_test.cc.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "xdpcap/inspect/hook_inventory.h"

namespace xdpcap {

/// Map names that begin with this are those of hooks.
inline constexpr std::string_view kHookNamePrefix = "xdpcap";

struct HookProof {
  enum class Kind : std::uint8_t {
    ByInstructions,
    ByName,
    NotShown,
    Refuted,  ///< a program returns something else than the index
  };
  Kind kind = Kind::NotShown;
  std::string
      found;  ///< what speaks for it or against it: "program 31 "lb" tail-calls slot 1, and returns 2 if ..."

  bool is_hook() const { return kind == Kind::ByInstructions || kind == Kind::ByName; }
};

/// Looks at the programs that use the program array of these facts.
HookProof prove_hook(const HookFacts& facts);

/// Refuses to enter a program array that is not shown to be a hook.
/// Errors: InvalidArgument, with what was found.
Result<void> check_is_hook(const Hook& hook, const HookFacts& facts);

}  // namespace xdpcap
