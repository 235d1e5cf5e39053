// SPDX-License-Identifier: BSD-3-Clause
//
// The hooks of this machine, and everything the kernel tells about each.
//
// A hook is a program array that XDP programs use, or that is pinned and may become one:
//
//     interface ─► XDP program ─► hook ─► programs in its slots          pins: /sys/fs/bpf/...
//                   (user)
//
// The kernel has no table of this.  It is put together from the programs and what maps they use, the pins, the
// interfaces of the network namespaces that can be found (xdpcap/kernel/network_namespaces.h), and links.  An interface need not run a user itself: it may run a program that
// leads to the user, by tail calls through another program array, or by an extension in its place (the dispatcher
// of libxdp).  Such a user counts as running on the interface, `via` that program.
//
// What cannot be known:
//
// * Which programs there are, without CAP_SYS_ADMIN.  find_hooks() then fails; hook_facts() says so in `users`.
// * What runs in a network namespace that neither a process nor a mount shows.  A link there gives its interface's number, and
//   nothing else; of a program that was attached without a link (`ip link set ... xdp`) there is not even that.  A link whose
//   number and program are those of an interface that was found is taken for the one there.
//
// The machine does not stand still meanwhile: what vanishes between two questions is left out.
//
// Costs: a few system calls a program, link, pin and slot; milliseconds on a machine with hundreds of programs.
//
// Source: Linux v6.18 kernel/bpf/syscall.c, net/core/rtnetlink.c.
// Tested by: xdpcap/tests/kernel/hook/hook_inventory_test.cc, but for extensions: not every machine lets them be loaded.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "xdpcap/hook/hook.h"
#include "xdpcap/kernel/interfaces.h"
#include "xdpcap/kernel/program.h"

namespace xdpcap {

/// Slots that are looked into; a longer program array is somebody's jump table.
inline constexpr std::uint32_t kMostSlotsLookedInto = 1024;

struct ProgramName {
  std::uint32_t id = 0;
  std::string name;  ///< empty if it has none, or may not be asked for
  bool operator==(const ProgramName&) const = default;
};

/// An interface that a user runs on.
struct UserInterface {
  std::uint32_t ifindex = 0;
  std::string name;
  InterfaceState state = InterfaceState::Down;
  XdpMode mode = XdpMode::Native;
  ProgramName via;  ///< what the interface runs, if it is not the user itself; id 0: it is
  std::string network_namespace = {};  ///< empty: that of this process
  bool operator==(const UserInterface&) const = default;
};

/// An XDP program that uses a hook and is no capture program.
struct HookUser {
  ProgramName program;
  std::vector<UserInterface> interfaces;
  /// Numbers of interfaces of network namespaces that were not looked into, which links keep it on, itself or through another
  /// program; one a link, so several may be equal.
  std::vector<std::uint32_t> ifindexes_elsewhere;
};

struct SlotProgram {
  std::uint32_t slot = 0;
  ProgramName program;
  bool is_capture = false;  ///< as far as may be asked
};

struct HookFacts {
  std::uint32_t map_id = 0;
  std::string name;  ///< of the map; may be empty
  std::uint32_t slots = 0;
  std::vector<std::string> paths;  ///< where it is pinned, as far as this process sees
  bool is_owned = false;           ///< a program has used or entered it
  /// Errors: Permission, when they may not be asked for.
  Result<std::vector<HookUser>> users = std::vector<HookUser>();
  std::vector<SlotProgram> holders;  ///< of the first kMostSlotsLookedInto slots
};

/// Where interfaces are looked for.
enum class Scope : std::uint8_t {
  Nowhere,  ///< users and holders are named, and that is all: neither interfaces nor pins
  ThisNamespace,
  AllNamespaces,  ///< enters each for a moment: only in a process with one thread
};

/// All program arrays that may be hooks, of all namespaces, in the order of their map ids.
/// Errors: Permission without CAP_SYS_ADMIN; Kernel, Io.
Result<std::vector<HookFacts>> find_hooks();

/// The facts of one hook, whose path comes first.  `users` and names of programs need CAP_SYS_ADMIN, the rest does not.
/// Errors: Permission, Kernel, Io; InvalidArgument when the map is no program array of XDP programs.
Result<HookFacts> hook_facts(const Hook& hook, Scope scope = Scope::ThisNamespace);

/// Whether a program is one that a capture put into a hook: it has a map called chain::kStateMapName.
/// Errors: Permission without CAP_SYS_ADMIN; Kernel.
Result<bool> is_capture_program(const ProgramInfo& program);

// Which programs run when a program runs: itself, those it may tail-call, those that extend it, and so on.
//
// Tested by: xdpcap/tests/hook/program_reach_test.cc.

/// From each program to those it may hand a packet to, by their ids.
using ProgramCalls = std::map<std::uint32_t, std::vector<std::uint32_t>>;

/// The programs that may run when `program_id` runs: itself first, each once.  Calls may go in circles.
std::vector<std::uint32_t> programs_reached(std::uint32_t program_id, const ProgramCalls& calls);

}  // namespace xdpcap
