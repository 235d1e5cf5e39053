// SPDX-License-Identifier: BSD-3-Clause
//
// BPF objects by their ids, which are those of the whole machine.  All of it takes CAP_SYS_ADMIN.
//
// Source: Linux v6.18 kernel/bpf/syscall.c bpf_prog_get_fd_by_id(), bpf_map_get_fd_by_id(), bpf_obj_get_next_id().

#pragma once

#include <cstdint>
#include <vector>

#include "kernel/errors.h"
#include "kernel/unique_fd.h"

namespace xdpcap {

/// Errors: NotFound when there is none (any more); Permission naming CAP_SYS_ADMIN.
Result<UniqueFd> open_program(std::uint32_t id);
Result<UniqueFd> open_map(std::uint32_t id);

/// The maps there are.  Some may go, and others come, while this looks.
Result<std::vector<std::uint32_t>> all_map_ids();

/// The maps a program uses.
Result<std::vector<std::uint32_t>> maps_of_program(int program_fd);

}  // namespace xdpcap
