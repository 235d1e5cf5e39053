// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/kernel_timer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cbpfc/ebpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>

#include "bench/support/placement.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"

namespace bench {
namespace {

using cbpfc::Result;
using xdpcap::UniqueFd;

constexpr int kTries = 3;

/// Moves the process into a new one; it exists while the descriptor is open.
Result<UniqueFd> enter_network_namespace() {
  UniqueFd inside;
  if (::unshare(CLONE_NEWNET) == 0) {
    inside.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  if (!inside.is_open()) {
    return xdpcap::kernel_failure("enter a network namespace", errno, xdpcap::kProgramCapabilities);
  }
  return inside;
}

Result<UniqueFd> load_runner(int array_fd, bool is_multi_buffer) {
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  Assembly runner;
  runner.add_map_fd(Reg::R2, array_fd);
  runner.add(mov(Reg::R3, 0));
  runner.add(call(BPF_FUNC_tail_call));
  runner.add(mov(Reg::R0, 0));
  runner.add(exit_insn());
  const auto insns = TRY(runner.assemble());
  return xdpcap::load_xdp_program(
      {.name = "bench_runner", .insns = insns, .multi_buffer = is_multi_buffer});
}

/// Returns what the program returned last.
Result<std::uint32_t> test_run(int program_fd, std::span<const std::uint8_t> packet,
                               std::uint32_t repeat) {
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet.data(),
              .data_size_in = static_cast<__u32>(packet.size()),
              .repeat = static_cast<int>(repeat));
  if (bpf_prog_test_run_opts(program_fd, &options) != 0) {
    return xdpcap::kernel_failure("run a program over a packet (BPF_PROG_TEST_RUN)", errno,
                                  xdpcap::kProgramCapabilities);
  }
  return options.retval;
}

}  // namespace

Result<KernelTimer> KernelTimer::create(bool is_multi_buffer) {
  UniqueFd inside = TRY(enter_network_namespace());
  TRY(stay_on_cpu(last_cpu()));
  UniqueFd array(bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "bench_timed", 4, 4, 1, nullptr));
  if (!array.is_open()) {
    return xdpcap::kernel_failure("create a program array", errno, xdpcap::kProgramCapabilities);
  }
  UniqueFd runner = TRY(load_runner(array.get(), is_multi_buffer));
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_SKB_MODE);
  UniqueFd link(
      bpf_link_create(runner.get(), static_cast<int>(::if_nametoindex("lo")), BPF_XDP, &options));
  if (!link.is_open()) {
    return xdpcap::kernel_failure("attach to the loopback interface", errno,
                                  xdpcap::kProgramCapabilities);
  }
  return KernelTimer(std::move(inside), std::move(array), std::move(runner), std::move(link));
}

Result<void> KernelTimer::select(int program_fd) {
  return xdpcap::put_program(array_.get(), 0, program_fd);
}

Result<std::uint32_t> KernelTimer::run(std::span<const std::uint8_t> packet) {
  return test_run(runner_.get(), packet, 1);
}

Result<double> KernelTimer::time_ns(std::span<const std::uint8_t> packet, std::uint32_t repeat) {
  using Clock = std::chrono::steady_clock;
  double least_ns = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) {
    const auto start = Clock::now();
    TRY(test_run(runner_.get(), packet, repeat));
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    least_ns = std::min(least_ns, took.count() / repeat);
  }
  return least_ns;
}

}  // namespace bench
