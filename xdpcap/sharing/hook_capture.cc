// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: xdpcap/tests/kernel/hook/hook_capture_test.cc.

#include "xdpcap/sharing/hook_capture.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>

#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/capture_program.h"
#include "xdpcap/program/counters.h"
#include "xdpcap/program/filter_code.h"
#include "xdpcap/program/record_code.h"
#include "xdpcap/program/shared_ring.h"

namespace xdpcap {
namespace {

std::uint32_t slot_of(Action action) {
  return static_cast<std::uint32_t>(index(action));
}

/// "xdpcap_pass"; the kernel takes 15 characters, which "xdpcap_redirect" and "xdpcap_action31" have.
std::string program_name_for(Action action) {
  return "xdpcap_" + short_name(action);
}

Result<void> check_actions(const Hook& hook, const std::vector<Action>& actions) {
  if (actions.empty()) {
    return fail(Errc::InvalidArgument, "capture: no action is given");
  }
  ByAction<bool> seen{};
  for (const Action action : actions) {
    if (std::exchange(seen[index(action)], true)) {
      return fail(Errc::InvalidArgument,
                  fmt::format("capture: action {} is given twice", name(action)));
    }
    if (slot_of(action) >= hook.slots()) {
      return fail(Errc::InvalidArgument,
                  fmt::format("hook {}: it has {}, and none for {} (number {}); leave that "
                              "action out, or load the program with a hook of {} slots",
                              hook.path(), counted(hook.slots(), "slot"), name(action),
                              index(action), std::max(kActions.size(), index(action) + 1)));
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
                  "program out; load that program first, or wait for it with -wait",
                  hook.path()));
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
  }
  return error;
}

}  // namespace

Result<void> check_may_capture(const Hook& hook, const std::vector<Action>& actions) {
  TRY(check_actions(hook, actions));
  return check_owner(hook);
}

Result<HookCapture> HookCapture::prepare(const Hook& hook, const Variant& variant,
                                         const HookCaptureOptions& options) {
  HookCapture capture(hook);
  capture.options_ = options;
  capture.variant_ = variant;
  if (options.counts_only) {
    // Nothing is handed over; but how a packet's length is asked for depends on it.
    capture.transport_ = find_transport(capture.variant_, std::nullopt).value_or(ChosenTransport{});
  } else {
    TRY(capture.make_rings());
  }
  if (options.limits.are_shared()) {
    capture.shared_limits_fd_ = TRY(create_array("xdpcap_limits", sizeof(abi::SharedLimits), 1));
  }
  capture.counters_fd_ = TRY(create_counters(hook.actions().size()));
  if (options.limits.packets_per_flow) {
    capture.flows_fd_ = TRY(
        create_lru_hash("xdpcap_flows", sizeof(abi::FlowKey), sizeof(std::uint64_t), kMostFlows));
  }
  if (capture.variant_.multi_buffer) {
    // A CPU without a ring still counts.
    const std::uint32_t cpus = TRY(options.counts_only ? possible_cpus() : present_cpus());
    capture.whole_packets_fd_ = TRY(create_array("xdpcap_whole", kWholePacketBytes, cpus));
    capture.whole_packets_bytes_ = std::uint64_t{cpus} * kWholePacketBytes;
  }
  // Counters that cannot be read are better known now; it also lets libbpf read the number of CPUs
  // while the process still may.
  TRY(capture.counters());
  return capture;
}

Result<void> HookCapture::join(const cbpfc::Filter& filter, JoinOptions options,
                               std::vector<std::string>& notes) {
  options.counters_fd = counters_fd_.get();
  takes_over_ = options.on_busy == OnBusy::Replace;
  chain_.emplace(TRY(Chain::join(*hook_, options, notes)));
  programs_ = TRY(load_programs(filter));
  return {};
}

Result<void> HookCapture::enter() {
  return chain_->enter(descriptors(programs_), takes_over_);
}

Result<void> HookCapture::detach() {
  if (!chain_) {
    return {};
  }
  Result<void> left = chain_->leave();
  chain_->tidy();
  chain_.reset();
  return left;
}

Result<HookCapture> HookCapture::attach(const Hook& hook, const cbpfc::Filter& filter,
                                        const HookCaptureOptions& options, OnBusy on_busy) {
  TRY(check_may_capture(hook, options.actions));
  const Variant variant = TRY(find_variant(hook));
  HookCapture capture = TRY(prepare(hook, variant, options));
  std::vector<std::string> notes;
  TRY(capture.join(filter,
                   {.actions = options.actions,
                    .pid = static_cast<std::uint32_t>(::getpid()),
                    .on_busy = on_busy},
                   notes));
  TRY(capture.enter());
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

Result<std::vector<cbpfc::ebpf::Insn>> HookCapture::build_program(Action action,
                                                                  const cbpfc::Filter& filter,
                                                                  bool counts_only) const {
  return build_capture_program(filter, {.action = action,
                                        .snaplen_bytes = options_.snaplen_bytes,
                                        .watermark_bytes = options_.watermark_bytes,
                                        .transport = transport_,
                                        .multi_buffer = variant_.multi_buffer,
                                        .rings_fd = rings_.map_fd(),
                                        .ring_bytes = rings_.ring_bytes(),
                                        .wakeup_fd = rings_.wakeup_fd(),
                                        .counters_fd = counters_fd_.get(),
                                        .whole_packets_fd = whole_packets_fd_.get(),
                                        .limits = options_.limits,
                                        .shared_limits_fd = shared_limits_fd_.get(),
                                        .flows_fd = flows_fd_.get(),
                                        .counts_only = counts_only,
                                        .chain_state_fd = chain_->state_fd(),
                                        .chain_programs_fd = chain_->programs_fd(),
                                        .position = chain_->position()});
}

Result<HookCapture::Programs> HookCapture::load(const std::vector<Action>& actions,
                                                const cbpfc::Filter& filter,
                                                bool counts_only) const {
  std::map<Action, std::vector<cbpfc::ebpf::Insn>> built;
  for (const Action action : actions) {
    built[action] = TRY(build_program(action, filter, counts_only));
  }
  // The kernel writes the addresses in the array into the jumps of programs when one of both changes.  On 5.10, a program whose
  // load met a change of the array by another capture kept a jump to nothing.
  const ChainDirectory::Lock locked = chain_->directory().lock();
  Programs programs;
  for (const auto& [action, insns] : built) {
    Result<UniqueFd> program =
        load_xdp_program({.name = program_name_for(action),
                          .insns = insns,
                          .expected_attach_type = variant_.expected_attach_type,
                          .multi_buffer = variant_.multi_buffer});
    if (!program) {
      return std::unexpected(explain_refusal(std::move(program).error(), options_.limits));
    }
    programs[action] = *std::move(program);
  }
  return programs;
}

Result<HookCapture::Programs> HookCapture::load_programs(const cbpfc::Filter& filter) const {
  return load(options_.actions, filter, options_.counts_only);
}

Result<HookCapture::Programs> HookCapture::load_probes() const {
  constexpr std::uint16_t kReturn = 0x06;  // BPF_RET | BPF_K
  const std::vector<cbpfc::RawInsn> nothing = {{.code = kReturn, .k = 0}};
  std::vector<Action> others = hook_->actions();
  std::erase_if(others, [this](Action action) { return programs_.contains(action); });
  return load(others, TRY(cbpfc::Filter::decode(nothing)), true);
}

std::map<Action, int> HookCapture::descriptors(const Programs& programs) {
  std::map<Action, int> descriptors;
  for (const auto& [action, program] : programs) {
    descriptors[action] = program.get();
  }
  return descriptors;
}

Result<void> HookCapture::replace_programs(Programs programs) {
  TRY(chain_->replace(descriptors(programs)));
  programs_ = std::move(programs);
  return {};
}

Result<void> HookCapture::replace_filter(const cbpfc::Filter& filter) {
  return replace_programs(TRY(load_programs(filter)));
}

Result<std::vector<ActionCounters>> HookCapture::counters_by_cpu() const {
  return read_counters_by_cpu(counters_fd_.get());
}

Result<ActionCounters> HookCapture::counters() const {
  return read_counters(counters_fd_.get());
}

}  // namespace xdpcap
