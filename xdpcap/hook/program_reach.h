// SPDX-License-Identifier: BSD-3-Clause
//
// Which programs run when a program runs: itself, those it may tail-call, those that extend it, and so on.
//
// Tested by: xdpcap/tests/hook/program_reach_test.cc.

#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace xdpcap {

/// From each program to those it may hand a packet to, by their ids.
using ProgramCalls = std::map<std::uint32_t, std::vector<std::uint32_t>>;

/// The programs that may run when `program_id` runs: itself first, each once.  Calls may go in circles.
std::vector<std::uint32_t> programs_reached(std::uint32_t program_id, const ProgramCalls& calls);

}  // namespace xdpcap
