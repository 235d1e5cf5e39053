// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/limit_code.h"

#include <cstddef>
#include <limits>

#include "xdpcap/program/abi.h"
#include "xdpcap/program/flow_code.h"
#include "xdpcap/program/helpers.h"

namespace xdpcap {
namespace {

using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): as in capture_program.cc

/// Times are in 1/64 ns: a million packets a second cost whole units, and 64 bits last for nine years.
constexpr int kTimeShift = 6;
constexpr std::uint64_t kSecond = std::uint64_t{1'000'000'000} << kTimeShift;
constexpr std::uint64_t kBurst = kSecond / 10;

void emit_sample(Assembly& code, const LimitCodeSpec& spec, std::uint32_t one_in) {
  constexpr auto kOffset = static_cast<std::int16_t>(offsetof(abi::Counters, random));
  constexpr std::uint64_t kMultiplier = 6'364'136'223'846'793'005;  // Knuth's, of MMIX
  code.add(load(Width::Double, Reg::R1, spec.counters, kOffset));
  code.add_constant64(Reg::R2, kMultiplier);
  code.add(alu(Alu::Mul, Reg::R1, Reg::R2));
  code.add(alu(Alu::Add, Reg::R1, 1));
  code.add(store(Width::Double, spec.counters, kOffset, Reg::R1));
  // The lower bits of such a generator are poor, the upper ones, which decide here, are not.
  code.add_constant64(Reg::R2, std::numeric_limits<std::uint64_t>::max() / one_in + 1);
  code.jump_if(Cmp::GreaterEqual, Reg::R1, Reg::R2, spec.held_back_label);
}

/// dst = the coarse clock, shifted; asked for once a tick.
void emit_tick_time(Assembly& code, const LimitCodeSpec& spec, Reg dst) {
  constexpr std::int16_t kTickOffset = offsetof(abi::Counters, tick);
  constexpr std::int16_t kTimeOffset = offsetof(abi::Counters, tick_time);
  code.add(call(helper::kJiffies64));
  code.add(load(Width::Double, Reg::R1, spec.counters, kTickOffset));
  code.jump_if(Cmp::Equal, Reg::R0, Reg::R1, "rate_same_tick");
  code.add(store(Width::Double, spec.counters, kTickOffset, Reg::R0));
  code.add(call(helper::kKtimeGetCoarseNs));
  code.add(alu(Alu::Lsh, Reg::R0, kTimeShift));
  code.add(store(Width::Double, spec.counters, kTimeOffset, Reg::R0));
  code.label("rate_same_tick");
  code.add(load(Width::Double, dst, spec.counters, kTimeOffset));
}

void emit_rate(Assembly& code, const LimitCodeSpec& spec, std::uint32_t packets_per_second) {
  // Rounded up, so that never more pass than asked for.
  const std::uint64_t cost = (kSecond + packets_per_second - 1) / packets_per_second;
  const Reg now = spec.kept;
  emit_tick_time(code, spec, now);
  code.add_map_value(
      Reg::R1, spec.shared_fd,
      static_cast<std::uint32_t>(offsetof(abi::SharedLimits, rates) +
                                 index(spec.action) * sizeof(abi::SharedLimits::Rate)));
  code.add(load(Width::Double, Reg::R0, Reg::R1, 0));
  // What lies further back than a burst is forgotten.  If another CPU does that meanwhile, that is as good.
  code.add_constant64(Reg::R2, kBurst);
  code.add(mov(Reg::R3, now));
  code.add(alu(Alu::Sub, Reg::R3, Reg::R2));
  code.jump_if(Cmp::GreaterEqual, Reg::R0, Reg::R3, "rate_recent");
  code.add(atomic(Atomic::CompareExchange, Reg::R1, 0, Reg::R3));
  code.add(mov(Reg::R0, Reg::R3));
  code.label("rate_recent");
  code.jump_if(Cmp::Greater, Reg::R0, now, spec.held_back_label);
  code.add_constant64(Reg::R2, cost);
  code.add(mov(Reg::R3, Reg::R2));
  code.add(atomic(Atomic::FetchAdd, Reg::R1, 0, Reg::R2));
  code.jump_if(Cmp::LessEqual, Reg::R2, now, "rate_passed");
  code.add(alu(Alu::Mul, Reg::R3, -1));
  code.add(atomic(Atomic::Add, Reg::R1, 0, Reg::R3));
  code.jump(spec.held_back_label);
  code.label("rate_passed");
}

/// The flow's key lies below its value.
void emit_flow(Assembly& code, const LimitCodeSpec& spec, std::uint64_t packets_per_flow) {
  const auto value_slot = static_cast<std::int16_t>(spec.stack_offset);
  const auto key_slot =
      static_cast<std::int16_t>(value_slot - static_cast<int>(sizeof(abi::FlowKey)));
  const auto point_to = [&](Reg reg, std::int16_t slot) {
    code.add(mov(reg, Reg::R10));
    code.add(alu(Alu::Add, reg, slot));
  };
  const auto look_up = [&](const std::string& found) {
    code.add_map_fd(Reg::R1, spec.flows_fd);
    point_to(Reg::R2, key_slot);
    code.add(call(helper::kMapLookupElem));
    code.jump_if(Cmp::NotEqual, Reg::R0, 0, found);
  };
  emit_flow_key(code, spec.context, key_slot);
  look_up("flow_known");
  code.add(store(Width::Double, Reg::R10, value_slot, 1));
  code.add_map_fd(Reg::R1, spec.flows_fd);
  point_to(Reg::R2, key_slot);
  point_to(Reg::R3, value_slot);
  constexpr std::int32_t kOnlyIfAbsent = 1;  // BPF_NOEXIST
  code.add(mov(Reg::R4, kOnlyIfAbsent));
  code.add(call(helper::kMapUpdateElem));
  code.jump_if(Cmp::Equal, Reg::R0, 0, "flow_passed");
  look_up("flow_known");
  code.jump(spec.held_back_label);  // no room for the flow, not even for an old one's
  code.label("flow_known");
  code.add_constant64(Reg::R3, packets_per_flow);
  code.add(load(Width::Double, Reg::R2, Reg::R0, 0));
  code.jump_if(Cmp::GreaterEqual, Reg::R2, Reg::R3, spec.held_back_label);
  code.add(mov(Reg::R2, 1));
  code.add(atomic(Atomic::FetchAdd, Reg::R0, 0, Reg::R2));
  code.jump_if(Cmp::GreaterEqual, Reg::R2, Reg::R3, spec.held_back_label);
  code.label("flow_passed");
}

void add_passed(Assembly& code, const LimitCodeSpec& spec) {
  code.add_map_value(Reg::R1, spec.shared_fd, offsetof(abi::SharedLimits, passed_packets));
}

void emit_count(Assembly& code, const LimitCodeSpec& spec, std::uint64_t most_packets) {
  add_passed(code, spec);
  code.add(load(Width::Double, Reg::R2, Reg::R1, 0));
  code.add_constant64(Reg::R3, most_packets);
  code.jump_if(Cmp::GreaterEqual, Reg::R2, Reg::R3, spec.held_back_label);
  code.add(mov(Reg::R2, 1));
  code.add(atomic(Atomic::FetchAdd, Reg::R1, 0, Reg::R2));
  code.jump_if(Cmp::Less, Reg::R2, Reg::R3, "count_passed");
  code.add(mov(Reg::R2, -1));
  code.add(atomic(Atomic::Add, Reg::R1, 0, Reg::R2));
  code.jump(spec.held_back_label);
  code.label("count_passed");
}

}  // namespace

void emit_limits(Assembly& code, const LimitCodeSpec& spec) {
  if (spec.limits.sample_one_in && *spec.limits.sample_one_in > 1) {
    emit_sample(code, spec, *spec.limits.sample_one_in);
  }
  if (spec.limits.packets_per_second) {
    emit_rate(code, spec, *spec.limits.packets_per_second);
  }
  if (spec.limits.packets_per_flow) {
    emit_flow(code, spec, *spec.limits.packets_per_flow);
  }
  if (spec.limits.most_packets) {
    emit_count(code, spec, *spec.limits.most_packets);
  }
}

void emit_give_back(Assembly& code, const LimitCodeSpec& spec) {
  if (spec.limits.most_packets) {
    add_passed(code, spec);
    code.add(mov(Reg::R2, -1));
    code.add(atomic(Atomic::Add, Reg::R1, 0, Reg::R2));
  }
}

}  // namespace xdpcap
