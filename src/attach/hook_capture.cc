// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: tests/kernel/hook_capture_test.cc.

#include "attach/hook_capture.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>

#include "attach/capture_program.h"
#include "attach/filter_code.h"
#include "attach/record_code.h"
#include "attach/shared_ring.h"
#include "kernel/map.h"
#include "kernel/pin.h"
#include "kernel/program.h"
#include "kernel/quiesce.h"

namespace xdpcap {
namespace {

constexpr std::size_t kNumbersPerAction = sizeof(abi::Counters) / sizeof(std::uint64_t);

std::uint32_t slot_of(Action action) {
  return static_cast<std::uint32_t>(index(action));
}

/// "xdpcap_pass"; the kernel takes 15 characters, which "xdpcap_redirect" has.
std::string program_name_for(Action action) {
  std::string result = "xdpcap_";
  for (const char c : name(action).substr(std::string_view("XDP").size())) {
    result += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return result;
}

Result<void> check_actions(const Hook& hook, const std::vector<Action>& actions) {
  if (actions.empty()) {
    return fail(Errc::InvalidArgument, "capture: no action is given");
  }
  std::array<bool, kActions.size()> seen{};
  for (const Action action : actions) {
    if (std::exchange(seen[index(action)], true)) {
      return fail(Errc::InvalidArgument,
                  fmt::format("capture: action {} is given twice", name(action)));
    }
    if (slot_of(action) >= hook.slots()) {
      return fail(
          Errc::InvalidArgument,
          fmt::format("hook {}: it has {} slots, and none for {} (number {}); leave that "
                      "action out, or load the program with a hook of {} slots",
                      hook.path(), hook.slots(), name(action), index(action), kActions.size()));
    }
  }
  return {};
}

Result<void> check_owner(const Hook& hook) {
  if (TRY(hook.has_owner())) {
    return {};
  }
  return fail(
      Errc::Busy,
      fmt::format("hook {}: no XDP program uses it yet; a capture that entered it first would "
                  "decide for good what kind of program it takes, and could lock the XDP "
                  "program out; load that program first, or wait for it with --wait",
                  hook.path()));
}

std::string describe(const SlotHolder& holder) {
  return holder.program_name.empty()
             ? fmt::format("program {}", holder.program_id)
             : fmt::format("program {} ({})", holder.program_id, holder.program_name);
}

Result<void> check_slot_is_empty(const Hook& hook, Action action) {
  const std::optional<SlotHolder> holder = TRY(hook.holder(action));
  if (!holder.has_value()) {
    return {};
  }
  return fail(
      Errc::Busy,
      fmt::format("hook {0}: slot {1} is taken by {2}: another capture is running, or one was "
                  "killed; end it, or empty the slot with `bpftool map delete pinned {0} key "
                  "{3} 0 0 0`",
                  hook.path(), name(action), describe(*holder), index(action)));
}

/// The size of a ring that is at least what was asked for and holds a record at all.
Result<std::uint64_t> ring_size(const HookCaptureOptions& options, Transport transport) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 31;
  constexpr std::uint64_t kPerfSampleLength = 8;  // what a perf sample has more, padded
  // A ring is full one byte short of its size.
  const std::uint64_t smallest = std::max(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)),
                                          largest_record_bytes(options.snaplen_bytes) + 1 +
                                              (is_perf(transport) ? kPerfSampleLength : 0));
  const std::uint64_t wanted = std::max(options.ring_bytes, smallest);
  if (wanted > kLargest) {
    return fail(Errc::InvalidArgument,
                fmt::format("buffer of {} bytes: the kernel's ring buffers have at most {}",
                            options.ring_bytes, kLargest));
  }
  return std::bit_ceil(wanted);
}

/// Says what to do about a refusal of the verifier that has a known reason.
Error explain_refusal(Error error, const CaptureLimits& limits) {
  const auto says = [&](const char* words) {
    return error.detail.find(words) != std::string::npos;
  };
  if (limits.any() && (says("invalid func") || says("reserved fields"))) {
    error.code = Errc::Unsupported;
    error.message +=
        "; -c, -rate and -per-flow need Linux 5.12, the first with atomic operations that return a value";
  } else if (says("BPF program is too large")) {
    error.message += "; the filter has more paths than the verifier follows: shorten it";
  }
  return error;
}

}  // namespace

Result<void> check_may_enter(const Hook& hook, const std::vector<Action>& actions) {
  TRY(check_actions(hook, actions));
  TRY(check_owner(hook));
  for (const Action action : actions) {
    TRY(check_slot_is_empty(hook, action));
  }
  return {};
}

Result<HookCapture> HookCapture::attach(const Hook& hook, const cbpfc::Filter& filter,
                                        const HookCaptureOptions& options) {
  const UniqueFd turn = lock_pin(hook.path());
  TRY(check_may_enter(hook, options.actions));

  HookCapture capture;
  capture.hook_ = &hook;
  capture.options_ = options;
  capture.variant_ = TRY(find_variant(hook));
  if (options.counts_only) {
    // Nothing is handed over; but how a packet's length is asked for depends on it.
    capture.transport_ = find_transport(capture.variant_, std::nullopt).value_or(ChosenTransport{});
  } else {
    TRY(capture.make_rings());
  }
  if (options.limits.are_shared()) {
    capture.shared_limits_fd_ = TRY(create_array("xdpcap_limits", sizeof(abi::SharedLimits), 1));
  }
  capture.counters_fd_ = TRY(create_per_cpu_array("xdpcap_counters", sizeof(abi::Counters),
                                                  static_cast<std::uint32_t>(kActions.size())));
  if (options.limits.packets_per_flow) {
    capture.flows_fd_ = TRY(
        create_lru_hash("xdpcap_flows", sizeof(abi::FlowKey), sizeof(std::uint64_t), kMostFlows));
  }
  if (capture.variant_.multi_buffer) {
    const std::uint32_t cpus = TRY(possible_cpus());
    capture.whole_packets_fd_ = TRY(create_array("xdpcap_whole", kWholePacketBytes, cpus));
  }
  // Counters that cannot be read are better known now; it also lets libbpf read the number of CPUs
  // while the process still may.
  TRY(capture.counters());
  for (const Action action : options.actions) {
    capture.slots_[action] = TRY(capture.load_program(action, filter));
  }
  // From here on the hook changes, and leaving this function early must undo it: ~HookCapture does.
  for (auto& [action, slot] : capture.slots_) {
    TRY(capture.enter(action, slot));
  }
  return capture;
}

Result<void> HookCapture::make_rings() {
  transport_ = TRY(find_transport(variant_, options_.transport));
  Result<RingSet> rings = create_rings();
  if (!rings && transport() == Transport::Shared && !options_.transport &&
      rings.error().sys_errno == E2BIG) {
    transport_ = TRY(find_transport(variant_, Transport::Classes));
    rings = create_rings();
  }
  rings_ = TRY(std::move(rings));
  return {};
}

Result<RingSet> HookCapture::create_rings() {
  const std::uint64_t ring_bytes = TRY(ring_size(options_, transport()));
  // Where the largest record does not fit any more, the reader has been woken.
  const std::uint64_t largest_bytes =
      largest_record_bytes(options_.snaplen_bytes) + kSharedRecordAlignment;
  const std::uint64_t rest_bytes = ring_bytes - std::min(ring_bytes, largest_bytes);
  options_.watermark_bytes = static_cast<std::uint32_t>(
      std::min<std::uint64_t>({options_.watermark_bytes, ring_bytes / 2, rest_bytes}));
  return RingSet::create({.transport = transport(),
                          .ring_bytes = ring_bytes,
                          .watermark_bytes = options_.watermark_bytes});
}

Result<HookCapture::Slot> HookCapture::load_program(Action action,
                                                    const cbpfc::Filter& filter) const {
  const std::vector<cbpfc::ebpf::Insn> insns =
      TRY(build_capture_program(filter, {.action = action,
                                         .snaplen_bytes = options_.snaplen_bytes,
                                         .watermark_bytes = options_.watermark_bytes,
                                         .transport = transport_,
                                         .multi_buffer = variant_.multi_buffer,
                                         .rings_fd = rings_.map_fd(),
                                         .ring_bytes = rings_.ring_bytes(),
                                         .bell_fd = rings_.bell_fd(),
                                         .counters_fd = counters_fd_.get(),
                                         .whole_packets_fd = whole_packets_fd_.get(),
                                         .limits = options_.limits,
                                         .shared_limits_fd = shared_limits_fd_.get(),
                                         .flows_fd = flows_fd_.get(),
                                         .counts_only = options_.counts_only}));
  Result<UniqueFd> program =
      load_xdp_program({.name = program_name_for(action),
                        .insns = insns,
                        .expected_attach_type = variant_.expected_attach_type,
                        .multi_buffer = variant_.multi_buffer});
  if (!program.has_value()) {
    return std::unexpected(explain_refusal(std::move(program).error(), options_.limits));
  }
  const std::uint32_t id = TRY(program_id(program->get()));
  return Slot{.program = std::move(*program), .program_id = id, .attached = false};
}

Result<void> HookCapture::replace_filter(const cbpfc::Filter& filter) {
  std::map<Action, Slot> loaded;
  for (const auto& [action, slot] : slots_) {
    loaded[action] = TRY(load_program(action, filter));
  }
  const UniqueFd turn = lock_pin(hook_->path());
  for (auto& [action, slot] : slots_) {
    const std::optional<std::uint32_t> id = TRY(program_in_slot(hook_->fd(), slot_of(action)));
    if (!slot.attached || id != slot.program_id) {
      continue;
    }
    Slot& next = loaded[action];
    TRY(put_program(hook_->fd(), slot_of(action), next.program.get())
            .with_context(fmt::format("hook {}: {}", hook_->path(), name(action))));
    next.attached = true;
    slot = std::move(next);
  }
  return {};
}

Result<void> HookCapture::enter(Action action, Slot& slot) {
  // The kernel cannot put a program into a slot only if it is empty.  Captures take turns
  // (lock_pin); looking before and after notices most of what others do.
  TRY(check_slot_is_empty(*hook_, action));
  TRY(put_program(hook_->fd(), slot_of(action), slot.program.get())
          .with_context(fmt::format("hook {}: {}", hook_->path(), name(action))));
  slot.attached = true;
  const std::optional<std::uint32_t> id = TRY(program_in_slot(hook_->fd(), slot_of(action)));
  if (id == slot.program_id) {
    return {};
  }
  TRY(check_slot_is_empty(*hook_, action));
  return fail(Errc::Busy,
              fmt::format("hook {}: somebody else emptied slot {} while we entered it; try "
                          "again",
                          hook_->path(), name(action)));
}

Result<void> HookCapture::leave(Action action, Slot& slot) {
  const std::optional<std::uint32_t> id =
      TRY(program_in_slot(hook_->fd(), slot_of(action))
              .with_context(fmt::format("hook {}: {}", hook_->path(), name(action))));
  if (id == slot.program_id) {
    TRY(remove_program(hook_->fd(), slot_of(action))
            .with_context(fmt::format("hook {}: {}", hook_->path(), name(action))));
  }
  slot.attached = false;
  return {};
}

HookCapture::HookCapture(HookCapture&& other) noexcept
    : hook_(other.hook_),
      options_(std::move(other.options_)),
      rings_(std::move(other.rings_)),
      counters_fd_(std::move(other.counters_fd_)),
      shared_limits_fd_(std::move(other.shared_limits_fd_)),
      flows_fd_(std::move(other.flows_fd_)),
      whole_packets_fd_(std::move(other.whole_packets_fd_)),
      variant_(other.variant_),
      transport_(other.transport_),
      slots_(std::exchange(other.slots_, {})) {}

// What may throw below detach() is memory running out, and that ends the program anyway.
// NOLINTNEXTLINE(bugprone-exception-escape)
HookCapture& HookCapture::operator=(HookCapture&& other) noexcept {
  if (this != &other) {
    static_cast<void>(detach());
    hook_ = other.hook_;
    options_ = std::move(other.options_);
    rings_ = std::move(other.rings_);
    counters_fd_ = std::move(other.counters_fd_);
    shared_limits_fd_ = std::move(other.shared_limits_fd_);
    flows_fd_ = std::move(other.flows_fd_);
    whole_packets_fd_ = std::move(other.whole_packets_fd_);
    variant_ = other.variant_;
    transport_ = other.transport_;
    slots_ = std::exchange(other.slots_, {});
  }
  return *this;
}

// NOLINTNEXTLINE(bugprone-exception-escape): as above
HookCapture::~HookCapture() {
  static_cast<void>(detach());
}

Result<void> HookCapture::detach() {
  bool was_attached = false;
  Result<void> result;
  for (auto& [action, slot] : slots_) {
    if (!slot.attached) {
      continue;
    }
    was_attached = true;
    if (Result<void> left = leave(action, slot); !left.has_value() && result.has_value()) {
      result = std::move(left);
    }
  }
  if (was_attached) {
    Result<void> waited = wait_for_running_programs();
    if (result.has_value()) {
      result = std::move(waited);
    }
  }
  return result;
}

Result<std::vector<ActionCounters>> HookCapture::counters_by_cpu() const {
  std::vector<ActionCounters> by_cpu;
  for (const Action action : kActions) {
    const std::vector<std::uint64_t> numbers =
        TRY(read_per_cpu_numbers(counters_fd_.get(), slot_of(action), kNumbersPerAction)
                .with_context("capture"));
    by_cpu.resize(numbers.size() / kNumbersPerAction);
    for (std::size_t cpu = 0; cpu < by_cpu.size(); ++cpu) {
      abi::Counters one;
      std::memcpy(static_cast<void*>(&one), &numbers[cpu * kNumbersPerAction], sizeof(one));
      by_cpu[cpu][index(action)] = one;
    }
  }
  return by_cpu;
}

Result<ActionCounters> HookCapture::counters() const {
  ActionCounters sums{};
  for (const ActionCounters& cpu : TRY(counters_by_cpu())) {
    for (const Action action : kActions) {
      sums[index(action)] += cpu[index(action)];
    }
  }
  return sums;
}

}  // namespace xdpcap
