// SPDX-License-Identifier: BSD-3-Clause
//
// Programs, maps and links of the whole machine: their ids, and descriptors for ids.
//
//     for (const std::uint32_t id : TRY(all_program_ids())) {
//       const Result<UniqueFd> program = open_program(id);
//       if (is_gone(program)) {
//         continue;  // unloaded since the list was made
//       }
//       ...
//
// Ids are the machine's, whatever namespaces this process is in, and all of this needs CAP_SYS_ADMIN.
//
// A descriptor of a map counts as one of its users, and the kernel empties a program array when its last user goes.
// One that is opened here and closed again cannot do that: an array without users was emptied before.
//
// Source: Linux v6.18 kernel/bpf/syscall.c bpf_obj_get_next_id(), bpf_map_get_fd_by_id().
// Tested by: xdpcap/tests/kernel/hook/hook_inventory_test.cc.

#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/unique_fd.h"
#include "xdpcap/kernel/errors.h"

namespace xdpcap {

/// In ascending order.
/// Errors: Permission without CAP_SYS_ADMIN; Kernel.
Result<std::vector<std::uint32_t>> all_program_ids();
Result<std::vector<std::uint32_t>> all_link_ids();  ///< also Unsupported, before Linux 5.8

/// Errors: NotFound when there is no such object, or no more; Permission without CAP_SYS_ADMIN.
Result<UniqueFd> open_program(std::uint32_t id);
Result<UniqueFd> open_map(std::uint32_t id);
Result<UniqueFd> open_link(std::uint32_t id);

/// Whether something failed because its object does not exist any more.
template <typename T>
bool is_gone(const Result<T>& result) {
  return !result.has_value() && result.error().code == Errc::NotFound;
}

// What a BPF link ties together.
//
// Two kinds are of use here: one keeps an XDP program on an interface, the other keeps an extension in the place of a
// function of another program.
//
// The interface is a bare number, which means something only in its own network namespace, and the kernel does not
// say which that is.
//
// Source: Linux v6.18 net/core/dev.c bpf_xdp_link_fill_link_info(); kernel/bpf/syscall.c
// bpf_tracing_link_fill_link_info().
// Tested by: xdpcap/tests/kernel/hook/hook_inventory_test.cc, but for extensions.

struct XdpLink {
  std::uint32_t program_id = 0;
  std::uint32_t ifindex = 0;  ///< 0: the interface is gone
};

struct ExtensionLink {
  std::uint32_t program_id = 0;
  std::uint32_t target_program_id = 0;
};

struct OtherLink {};

using ProgramLink = std::variant<OtherLink, XdpLink, ExtensionLink>;

/// Errors: Permission, Kernel.
Result<ProgramLink> program_link(int link_fd);

}  // namespace xdpcap
