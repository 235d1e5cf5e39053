// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/faults/foreign.h"

#include <xdpcap/kernel/action.h>
#include <xdpcap/kernel/map.h>
#include <xdpcap/kernel/program.h>
#include <xdpcap/program/abi.h>
#include <xdpcap/program/capture_program.h>

#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap::test {
namespace {

constexpr std::size_t kNumbers = sizeof(abi::Counters) / sizeof(std::uint64_t);

UniqueFd load(Action action, int counters_fd) {
  return load_xdp_program(
             {.name = "somebody",
              .insns = build_capture_program(
                           constant_filter(1),
                           {.action = action, .counters_fd = counters_fd, .counts_only = true})
                           .value(),
              .expected_attach_type = kAttachTypeXdp,
              .multi_buffer = false})
      .value();
}

}  // namespace

ForeignTool::ForeignTool(int hook_fd)
    : hook_fd_(hook_fd),
      counters_(create_per_cpu_array("somebody", sizeof(abi::Counters), kActions.size()).value()) {
  for (const Action action : kActions) {
    programs_.push_back(load(action, counters_.get()));
    ids_.push_back(program_id(programs_.back().get()).value());
  }
}

void ForeignTool::put(std::uint32_t slot) const {
  static_cast<void>(put_program(hook_fd_, slot, programs_[slot].get()).value());
}

void ForeignTool::remove(std::uint32_t slot) const {
  static_cast<void>(remove_program(hook_fd_, slot).value());
}

void ForeignTool::put_everywhere() const {
  for (std::uint32_t slot = 0; slot < programs_.size(); ++slot) {
    put(slot);
  }
}

void ForeignTool::remove_everywhere() const {
  for (std::uint32_t slot = 0; slot < programs_.size(); ++slot) {
    remove(slot);
  }
}

bool ForeignTool::is_in(std::uint32_t slot) const {
  return program_in_slot(hook_fd_, slot).value() == ids_[slot];
}

bool ForeignTool::is_anywhere() const {
  for (std::uint32_t slot = 0; slot < programs_.size(); ++slot) {
    if (is_in(slot)) {
      return true;
    }
  }
  return false;
}

std::uint64_t ForeignTool::received() const {
  std::uint64_t sum = 0;
  for (std::uint32_t action = 0; action < programs_.size(); ++action) {
    const std::vector<std::uint64_t> numbers =
        read_per_cpu_numbers(counters_.get(), action, kNumbers).value();
    for (std::size_t i = 0; i < numbers.size(); i += kNumbers) {
      sum += numbers[i];  // what is received is first
    }
  }
  return sum;
}

}  // namespace xdpcap::test
