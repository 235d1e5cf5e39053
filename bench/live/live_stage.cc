// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_stage.h"

#include <bpf/bpf.h>
#include <cbpfc/ebpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "bench/live/live_text.h"
#include "bench/support/child_process.h"
#include "bench/support/placement.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/program.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using xdpcap::UniqueFd;

constexpr const char* kOwnNamespace = "/proc/thread-self/ns/net";

std::unexpected<cbpfc::Error> failure(const std::string& attempt) {
  return xdpcap::kernel_failure(attempt, errno, xdpcap::kProgramCapabilities);
}

Result<UniqueFd> open_to_read(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    return failure("open " + path);
  }
  return fd;
}

Result<UniqueFd> new_namespace() {
  if (::unshare(CLONE_NEWNET) != 0) {
    return failure("make a network namespace");
  }
  return open_to_read(kOwnNamespace);
}

/// The thread is back in its network namespace when this goes.
class Return {
 public:
  explicit Return(UniqueFd home) : home_(std::move(home)) {}
  Return(const Return&) = delete;
  Return& operator=(const Return&) = delete;
  ~Return() { ::setns(home_.get(), CLONE_NEWNET); }

 private:
  UniqueFd home_;
};

/// A program that redirects everything to `ifindex` of the calling thread's network namespace.
Result<UniqueFd> load_generator(std::uint32_t ifindex) {
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  constexpr std::uint32_t kZero = 0;
  const UniqueFd devices(bpf_map_create(BPF_MAP_TYPE_DEVMAP, "bench_to", 4, 4, 1, nullptr));
  if (!devices.is_open() || bpf_map_update_elem(devices.get(), &kZero, &ifindex, BPF_ANY) != 0) {
    return failure("create a map with the interface to send to");
  }
  Assembly code;
  code.add_map_fd(Reg::R1, devices.get());
  code.add(mov(Reg::R2, 0));
  code.add(mov(Reg::R3, 0));
  code.add(call(BPF_FUNC_redirect_map));
  code.add(exit_insn());
  const auto insns = TRY(code.assemble());
  return xdpcap::load_xdp_program({.name = "bench_generator", .insns = insns});
}

Result<UniqueFd> attach(int program_fd, const char* interface, std::uint32_t mode) {
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = mode);
  UniqueFd link(bpf_link_create(program_fd, static_cast<int>(::if_nametoindex(interface)), BPF_XDP,
                                &options));
  if (!link.is_open()) {
    return failure(fmt::format("attach an XDP program to {}", interface));
  }
  return link;
}

}  // namespace

Result<LiveStage> LiveStage::create(xdpcap::Action action) {
  LiveStage stage(TRY(HookTarget::create(action, false)), TRY(DetachedMount::bpffs()));
  if (bpf_obj_pin(stage.target_.hook_fd(), stage.hook_path().c_str()) != 0) {
    return failure("pin a hook");
  }
  TRY(stage.make_namespaces());
  return stage;
}

Result<void> LiveStage::make_namespaces() {
  const Return at_the_end(TRY(open_to_read(kOwnNamespace)));
  observed_ = TRY(new_namespace());
  sender_ = TRY(new_namespace());
  TRY(fill_sender());
  if (::setns(observed_.get(), CLONE_NEWNET) != 0) {
    return failure("enter a network namespace");
  }
  return fill_observed();
}

Result<void> LiveStage::fill_sender() {
  const std::string observed = fmt::format("/proc/{}/fd/{}", ::getpid(), observed_.get());
  TRY(run_command(
      {"ip", "link", "add", "to_b", "type", "veth", "peer", "name", "to_a", "netns", observed}));
  // Without a link-local address the kernel sends nothing on its own.
  TRY(run_command({"ip", "link", "set", "to_b", "addrgenmode", "none", "up"}));
  generator_ = TRY(load_generator(::if_nametoindex("to_b")));
  // Attached somewhere it keeps its place in the kernel's XDP dispatcher, which otherwise is rebuilt, for 10 to 30 ms,
  // before and after each run.
  generator_link_ = TRY(attach(generator_.get(), "lo", XDP_FLAGS_SKB_MODE));
  return {};
}

Result<void> LiveStage::fill_observed() {
  TRY(run_command({"ip", "link", "set", "to_a", "addrgenmode", "none", "up"}));
  target_link_ = TRY(attach(target_.program_fd(), "to_a", XDP_FLAGS_DRV_MODE));
  // An open file of /proc/net stays with the namespace it was opened in.
  interface_counters_ = TRY(open_to_read("/proc/thread-self/net/dev"));
  return {};
}

Result<std::uint64_t> LiveStage::arrived() const {
  std::array<char, 8192> text{};
  const ssize_t got = ::pread(interface_counters_.get(), text.data(), text.size(), 0);
  if (got < 0) {
    return failure("read the interface's counters");
  }
  return received_packets({text.data(), static_cast<std::size_t>(got)}, "to_a");
}

Result<Sent> LiveStage::send(std::span<const std::uint8_t> frame, std::uint64_t packets,
                             std::chrono::milliseconds most) const {
  using Clock = std::chrono::steady_clock;
  // A run makes its pages anew and cannot be told to end at a time: long enough, and not longer.
  constexpr std::uint64_t kRun = 250'000;
  const std::uint64_t before = TRY(arrived());
  const Uninterrupted until_sent;
  const auto start = Clock::now();
  std::uint64_t left = packets;
  while (left > 0 && Clock::now() < start + most) {
    const std::uint64_t count = std::min(left, kRun);
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
                .data_size_in = static_cast<__u32>(frame.size()), .repeat = static_cast<int>(count),
                .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
    if (bpf_prog_test_run_opts(generator_.get(), &options) != 0) {
      return failure(
          fmt::format("send frames of {} bytes (BPF_PROG_TEST_RUN, live frames)", frame.size()));
    }
    left -= count;
  }
  const std::chrono::duration<double> taken = Clock::now() - start;
  // What a kernel thread has taken over is soon there.
  std::uint64_t now = TRY(arrived());
  for (std::uint64_t last = before; last != now;) {
    ::usleep(2'000);
    last = std::exchange(now, TRY(arrived()));
  }
  return Sent{.sent = packets - left, .arrived = now - before, .seconds = taken.count()};
}

}  // namespace bench
