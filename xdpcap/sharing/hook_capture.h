// SPDX-License-Identifier: BSD-3-Clause
//
// A capture on a hook: its maps, one capture program an action, and the slots they sit in.
//
// Order: maps, a place among the captures on the hook (chain.h), programs, then slots, so that every failure before the first
// slot leaves nothing behind, and the destructor takes out what is ours, and only that.
//
// The maps are made by the process that captures; what follows them by its guardian, which has a copy of this object
// (xdpcap/sharing/guardian.h).
//
// A hook accepts only programs of the same variant as its owner; hook_variant.h finds out which.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/ebpf.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "xdpcap/hook/hook.h"
#include "xdpcap/hook/hook_variant.h"
#include "xdpcap/kernel/action.h"
#include "xdpcap/program/abi.h"
#include "xdpcap/program/counters.h"
#include "xdpcap/program/limits.h"
#include "xdpcap/program/ring_set.h"
#include "xdpcap/program/transport.h"
#include "xdpcap/sharing/chain.h"

namespace xdpcap {

struct HookCaptureOptions {
  std::vector<Action> actions;  ///< each must have a slot in the hook
  std::uint32_t snaplen_bytes = 65535;
  /// Of each CPU's ring; rounded up to a power of two of whole pages that holds at least one largest record.
  std::uint64_t ring_bytes = 1U << 22;
  std::uint32_t watermark_bytes =
      1;  ///< at most half the ring, and what a largest record leaves of it
  CaptureLimits limits = {};
  bool counts_only = false;                           ///< nothing is recorded, there is no ring
  std::optional<Transport> transport = std::nullopt;  ///< nullopt: the best this kernel has
};

/// Whether there may be a capture of `actions`: every action has a slot, and a program owns the hook.
///
/// Errors: InvalidArgument for an action without slot; Busy when the hook has no owner.
Result<void> check_may_capture(const Hook& hook, const std::vector<Action>& actions);

class HookCapture {
 public:
  /// Makes the maps of a capture.
  ///
  /// Ownership: borrows `hook`, which must outlive the capture.
  /// Errors: Permission with the missing capability; Unsupported when this kernel is too old, naming the version that is not.
  static Result<HookCapture> prepare(const Hook& hook, const Variant& variant,
                                     const HookCaptureOptions& options);

  /// Takes a place in the chain on the hook, and loads the programs; no packet meets them before enter().
  /// Errors: those of Chain::join(); VerifierRejected with the log; Permission.
  Result<void> join(const cbpfc::Filter& filter, JoinOptions options,
                    std::vector<std::string>& notes);

  /// Packets are counted and recorded from here on.  Needs no capability since Linux 5.19.
  /// Errors: those of Chain::enter(); what has been entered is then left by detach().
  Result<void> enter();

  /// All of it in this process: for tests.
  /// Errors: those of check_may_capture(), find_variant(), prepare(), join() and enter().
  static Result<HookCapture> attach(const Hook& hook, const cbpfc::Filter& filter,
                                    const HookCaptureOptions& options,
                                    OnBusy on_busy = OnBusy::Chain);

  using Programs = std::map<Action, UniqueFd>;

  /// Programs of another filter, which no packet meets before replace_programs().
  /// Errors: those of join().
  /// Thread safety: may be called beside everything else.
  Result<Programs> load_programs(const cbpfc::Filter& filter) const;
  /// Filters by these from now on.  Each slot changes at one moment: a packet meets the old program or the new
  /// one, and both count into the same numbers.
  /// Errors: those of Chain::replace(); the old filter then stays in all slots, unless a slot could not be written.
  Result<void> replace_programs(Programs programs);
  /// Both.
  Result<void> replace_filter(const cbpfc::Filter& filter);

  /// Leaves the chain (Chain::leave(), tidy()), once: from here on counters and ring are final.  Done, silently, when the object
  /// goes.
  Result<void> detach();

  std::optional<Chain>& chain() { return chain_; }  ///< nullopt: has not joined, or has left
  int counters_fd() const { return counters_fd_.get(); }

  /// Programs for the actions that are not captured, which count their packets as received and do nothing else.
  /// Errors: those of loading them.
  Result<Programs> load_probes() const;
  static std::map<Action, int> descriptors(const Programs& programs);

  const RingSet& rings() const { return rings_; }  ///< none when only counting
  /// What copies of packets in several buffers take, which filters read; 0 if there are none.
  std::uint64_t whole_packets_bytes() const { return whole_packets_bytes_; }
  const Variant& variant() const { return variant_; }
  std::uint32_t watermark_bytes() const { return options_.watermark_bytes; }  ///< as it is used
  Transport transport() const { return transport_.transport; }  ///< unless it only counts

  /// Counters of every action, summed over CPUs.
  Result<ActionCounters> counters() const;
  /// Counters of every action, by CPU, for every possible one.
  Result<std::vector<ActionCounters>> counters_by_cpu() const;

 private:
  explicit HookCapture(const Hook& hook) : hook_(&hook) {}
  Result<void> make_rings();
  Result<RingSet> create_rings();
  Result<std::vector<cbpfc::ebpf::Insn>> build_program(Action action, const cbpfc::Filter& filter,
                                                       bool counts_only) const;
  Result<Programs> load(const std::vector<Action>& actions, const cbpfc::Filter& filter,
                        bool counts_only) const;

  const Hook* hook_;
  HookCaptureOptions options_;
  RingSet rings_;
  UniqueFd counters_fd_;
  UniqueFd shared_limits_fd_;
  UniqueFd flows_fd_;
  UniqueFd whole_packets_fd_;
  std::uint64_t whole_packets_bytes_ = 0;
  Variant variant_;
  ChosenTransport transport_;
  Programs programs_;
  bool takes_over_ = false;
  std::optional<Chain> chain_;
};

}  // namespace xdpcap
