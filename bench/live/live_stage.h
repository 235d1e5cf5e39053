// SPDX-License-Identifier: BSD-3-Clause
//
// The stage of a live measurement: a target with a hook at one end of a veth pair, a generator at the other, in two
// network namespaces that nothing else is in.
//
//     sender                       observed
//     ┌────────────────┐           ┌───────────────────────────────┐
//     │ generator─to_b ├── veth ───┤ to_a: target (native XDP)─hook│
//     └────────────────┘           └───────────────────────────────┘
//
// The generator is BPF_PROG_TEST_RUN with live frames, whose program redirects each to to_b.  Every 64 frames the
// kernel delivers what is there: the target runs in a softirq on the generator's CPU, in the same thread.  So one
// frame's time is generator + veth + target + capture, none is dropped in between, and the rate is what one CPU does.
//
// The namespaces have no names, the hook is pinned in a file system that is mounted nowhere: all goes with the
// process.  The rig of the end-to-end tests is not used: it ends its program on errors and needs clang's programs.
//
// Limits: a live frame lies in one page, beside its headroom (EINVAL otherwise), so packets in several buffers cannot
// be sent this way; capture_costs measures them.
// Source: Linux v6.18 net/bpf/test_run.c bpf_prog_test_run_xdp(), bpf_test_run_xdp_live(), drivers/net/veth.c veth_xdp_xmit(), veth_poll().

#pragma once

#include <cbpfc/result.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "base/unique_fd.h"
#include "bench/support/detached_mount.h"
#include "bench/support/hook_target.h"
#include "xdpcap/kernel/action.h"

namespace bench {

struct Sent {
  std::uint64_t sent = 0;
  std::uint64_t arrived = 0;  ///< at the target's interface, as that counts them
  double seconds = 0;
  double packets_per_second() const { return static_cast<double>(arrived) / seconds; }
};

class LiveStage {
 public:
  /// Ends with the calling thread in the network namespace it was in.
  /// Errors: Errc::Permission, Errc::Kernel.
  static cbpfc::Result<LiveStage> create(xdpcap::Action action);

  const HookTarget& target() const { return target_; }
  std::string hook_path() const { return pins_.path("hook"); }
  int observed_namespace_fd() const { return observed_.get(); }

  /// Sends `packets` copies of `frame`, fewer if they take longer than `most`; returns when all have been through
  /// the target.
  cbpfc::Result<Sent> send(std::span<const std::uint8_t> frame, std::uint64_t packets,
                           std::chrono::milliseconds most = std::chrono::seconds(30)) const;

 private:
  LiveStage(HookTarget target, DetachedMount pins)
      : target_(std::move(target)), pins_(std::move(pins)) {}
  cbpfc::Result<void> make_namespaces();
  cbpfc::Result<void> fill_sender();
  cbpfc::Result<void> fill_observed();
  cbpfc::Result<std::uint64_t> arrived() const;

  HookTarget target_;
  DetachedMount pins_;
  xdpcap::UniqueFd sender_;
  xdpcap::UniqueFd observed_;
  xdpcap::UniqueFd generator_;
  xdpcap::UniqueFd generator_link_;
  xdpcap::UniqueFd target_link_;
  xdpcap::UniqueFd interface_counters_;
};

}  // namespace bench
