// SPDX-License-Identifier: BSD-3-Clause
//
// A capture on a hook: its maps, one capture program an action, and the slots they sit in.
//
// Order: maps, programs, then slots, so that every failure before the first slot leaves nothing
// behind, and the destructor empties the slots that hold our programs, and only those.
//
// A hook accepts only programs of the same variant as its owner; hook_variant.h finds out which.

#pragma once

#include <cbpfc/cbpf.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attach/abi.h"
#include "attach/action.h"
#include "attach/hook.h"
#include "attach/hook_variant.h"
#include "attach/limits.h"
#include "attach/ring_set.h"
#include "attach/transport.h"

namespace xdpcap {

struct HookCaptureOptions {
  std::vector<Action> actions;  ///< each must have a slot in the hook
  std::uint32_t snaplen_bytes = 65535;
  /// Of each possible CPU's ring; rounded up to a power of two of whole pages that holds at least one largest record.
  std::uint64_t ring_bytes = 1U << 22;
  std::uint32_t watermark_bytes =
      1;  ///< at most half the ring, and what a largest record leaves of it
  CaptureLimits limits = {};
  bool counts_only = false;                           ///< nothing is recorded, there is no ring
  std::optional<Transport> transport = std::nullopt;  ///< nullopt: the best this kernel has
};

using ActionCounters = std::array<abi::Counters, kActions.size()>;  ///< by action number

/// Whether a capture of `actions` may enter `hook` now: every action has a slot, a program owns the
/// hook, nobody sits in the slots.  HookCapture::attach() asks too; asking first lets a caller
/// prepare nothing in vain.
///
/// Errors: InvalidArgument for an action without slot; Busy when the hook has no owner, or a slot
/// is taken (names program id and name).
Result<void> check_may_enter(const Hook& hook, const std::vector<Action>& actions);

class HookCapture {
 public:
  /// Loads and attaches.  Packets are counted and recorded from here on.
  ///
  /// Ownership: borrows `hook`, which must outlive the capture.
  /// Errors: Busy when a slot is taken (names program id and name) or the hook has no owner;
  /// InvalidArgument for an action without slot; VerifierRejected with the log; Permission with the
  /// missing capability; Unsupported when this kernel is too old, naming the version that is not.
  static Result<HookCapture> attach(const Hook& hook, const cbpfc::Filter& filter,
                                    const HookCaptureOptions& options);

  HookCapture(HookCapture&&) noexcept;
  HookCapture& operator=(HookCapture&&) noexcept;
  HookCapture(const HookCapture&) = delete;
  HookCapture& operator=(const HookCapture&) = delete;
  ~HookCapture();  ///< detaches, silently

  /// Filters by `filter` from now on.  Each slot changes at one moment: a packet meets the old program or the new
  /// one, and both count into the same numbers.  A slot that somebody else has taken meanwhile is left to them.
  ///
  /// Thread safety: may run beside counters(), not beside detach().
  /// Errors: those of attach(); the old filter then stays in all slots, unless a slot could not be written.
  Result<void> replace_filter(const cbpfc::Filter& filter);

  /// Takes our programs out of the hook and waits until none of them still runs: from here on
  /// counters and ring are final.  Safe to call twice. A slot that somebody else has taken
  /// meanwhile is left to them. Errors: Kernel if a slot cannot be emptied; the others are emptied
  /// all the same.
  Result<void> detach();

  const RingSet& rings() const { return rings_; }  ///< none when only counting
  const Variant& variant() const { return variant_; }
  std::uint32_t watermark_bytes() const { return options_.watermark_bytes; }  ///< as it is used
  Transport transport() const { return transport_.transport; }  ///< unless it only counts

  /// Counters of every action, summed over CPUs.
  Result<ActionCounters> counters() const;
  /// Counters of every action, by CPU, for every possible one.
  Result<std::vector<ActionCounters>> counters_by_cpu() const;

 private:
  struct Slot {
    UniqueFd program;
    std::uint32_t program_id = 0;
    bool attached = false;
  };
  HookCapture() = default;

  Result<void> make_rings();
  Result<RingSet> create_rings();
  Result<Slot> load_program(Action action, const cbpfc::Filter& filter) const;
  Result<void> enter(Action action, Slot& slot);
  Result<void> leave(Action action, Slot& slot);

  const Hook* hook_ = nullptr;
  HookCaptureOptions options_;
  RingSet rings_;
  UniqueFd counters_fd_;
  UniqueFd shared_limits_fd_;
  UniqueFd flows_fd_;
  UniqueFd whole_packets_fd_;
  Variant variant_;
  ChosenTransport transport_;
  std::map<Action, Slot> slots_;
};

}  // namespace xdpcap
