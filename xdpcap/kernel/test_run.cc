// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: verify/tests/kernel/engine_test.cc.

#include "xdpcap/kernel/test_run.h"

#include <bpf/bpf.h>
#include <cbpfc/ebpf.h>

#include <cerrno>
#include <vector>

#include "xdpcap/kernel/program.h"

namespace xdpcap {

Result<TestRun> test_run(int program_fd, std::span<const std::uint8_t> packet,
                         std::uint32_t repeat) {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = packet.data();
  options.data_size_in = static_cast<std::uint32_t>(packet.size());
  options.repeat = static_cast<int>(repeat);
  const auto start = std::chrono::steady_clock::now();
  if (bpf_prog_test_run_opts(program_fd, &options) != 0) {
    return kernel_failure("run a program over a packet (BPF_PROG_TEST_RUN)", errno,
                          kProgramCapabilities);
  }
  return TestRun{.value = options.retval,
                 .each = std::chrono::nanoseconds(options.duration),
                 .elapsed = std::chrono::steady_clock::now() - start};
}

Result<std::size_t> longest_linear_test_packet() {
  using namespace cbpfc::
      ebpf;  // NOLINT(google-build-using-namespace): an assembler reads better bare
  const std::vector<Insn> insns = {load(Width::Word, Reg::R2, Reg::R1, 0),
                                   load(Width::Word, Reg::R0, Reg::R1, 4),
                                   alu(Alu::Sub, Reg::R0, Reg::R2), exit_insn()};
  const UniqueFd program = TRY(load_xdp_program({.name = "linear_part", .insns = insns}));
  std::size_t linear = kLeastTestRunBytes;
  std::size_t longer = std::size_t{1} << 17;  // more than any page
  const std::vector<std::uint8_t> packet(longer);
  while (longer - linear > 1) {
    const std::size_t middle = (linear + longer) / 2;
    const Result<TestRun> run = test_run(program.get(), std::span(packet).first(middle));
    // Kernels without multi-buffer packets refuse what is too long.
    (run && run->value == middle ? linear : longer) = middle;
  }
  return linear;
}

Result<ProgramFacts> program_facts(int program_fd) {
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  if (bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0) {
    return kernel_failure("ask what became of a program", errno, kProgramCapabilities);
  }
  ProgramFacts facts{.translated_bytes = info.xlated_prog_len,
                     .machine_code_bytes = info.jited_prog_len};
  if (info.verified_insns != 0) {
    facts.verified_insns = info.verified_insns;
  }
  return facts;
}

}  // namespace xdpcap
