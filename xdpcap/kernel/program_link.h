// SPDX-License-Identifier: BSD-3-Clause
//
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

#pragma once

#include <cstdint>
#include <variant>

#include "xdpcap/kernel/errors.h"

namespace xdpcap {

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
