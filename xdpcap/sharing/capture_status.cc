// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/sharing/capture_status.h"

#include <fmt/core.h>
#include <unistd.h>

#include <utility>

#include "xdpcap/kernel/program_info.h"

namespace xdpcap {
namespace {

CaptureStatus status_of(const Chain& chain, ChainMember member) {
  CaptureStatus status{.member = std::move(member), .is_starting = true, .user_id = ::geteuid()};
  for (const Action action : status.member.actions) {
    const Result<UniqueFd> program = chain.open_program_of(status.member.position, action);
    const Result<ProgramInfo> info =
        program ? program_info(program->get()) : std::unexpected(program.error());
    if (info) {
      status.is_starting = false;
      status.user_id = info->user_id;
      break;
    }
  }
  if (const Result<UniqueFd> counters =
          chain.directory().open_pin(fmt::format("{}/counters", status.member.position))) {
    if (Result<ActionCounters> read = read_counters(counters->get())) {
      status.counters = *read;
    }
  }
  return status;
}

}  // namespace

Result<std::vector<CaptureStatus>> captures_on(const Hook& hook) {
  std::vector<CaptureStatus> captures;
  if (const std::optional<Chain> chain = TRY(Chain::find(hook))) {
    for (ChainMember& member : chain->members()) {
      captures.push_back(status_of(*chain, std::move(member)));
    }
  }
  return captures;
}

}  // namespace xdpcap
