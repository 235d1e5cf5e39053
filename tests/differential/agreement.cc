// SPDX-License-Identifier: BSD-3-Clause

#include "differential/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cbpfc/machine.h"

namespace differential {
namespace {

using cbpfc::Machine;

/// The value of X in an indirect load's sum, in 64 bits; nullopt for other instructions.
std::optional<std::uint64_t> indirect_sum(const cbpfc::Insn& insn, const Machine& machine) {
  const auto* load = std::get_if<cbpfc::LoadIndirect>(&insn);
  return load != nullptr ? std::optional(std::uint64_t{machine.x} + load->offset) : std::nullopt;
}

/// The intended differences.  Each is a fact about the instruction a program is about to run.
struct Difference {
  std::string_view what;
  bool libpcap;  ///< libpcap's answer may differ from there on
  bool kernel;   ///< the kernel's may
  bool (*applies)(const cbpfc::Insn&, const Machine&);
};

constexpr std::array<Difference, 3> kDifferences = {{
    {"shift by X of 32 or more: libpcap gives 0, the kernel and we take the low five bits", true,
     false,
     [](const cbpfc::Insn& insn, const Machine& machine) {
       const auto* alu = std::get_if<cbpfc::Alu>(&insn);
       return alu != nullptr && alu->operand.is_x && machine.x >= 32 &&
              (alu->op == cbpfc::AluOp::Lsh || alu->op == cbpfc::AluOp::Rsh);
     }},
    {"indirect offset beyond 32 bits: libpcap gives no match, the kernel and we wrap", true, false,
     [](const cbpfc::Insn& insn, const Machine& machine) {
       return indirect_sum(insn, machine).value_or(0) > 0xffffffff;
     }},
    {"indirect offset from SKF_LL_OFF up: the kernel counts from a header, libpcap and we give no "
     "match",
     false, true,
     [](const cbpfc::Insn& insn, const Machine& machine) {
       return static_cast<std::uint32_t>(indirect_sum(insn, machine).value_or(0)) >=
              cbpfc::kLinkLayerOffset;
     }},
}};

struct Expectation {
  std::uint32_t value = 0;
  bool libpcap = true;  ///< libpcap must agree
  bool kernel = true;   ///< the kernel must agree
};

Expectation expect(const cbpfc::Filter& filter, std::span<const std::uint8_t> packet) {
  Expectation expected;
  Machine machine{.packet = packet, .wire_length_bytes = static_cast<std::uint32_t>(packet.size())};
  while (!machine.ended()) {
    const cbpfc::Insn& insn = filter.insns()[machine.pc];
    for (const Difference& difference : kDifferences) {
      if (difference.applies(insn, machine)) {
        expected.libpcap = expected.libpcap && !difference.libpcap;
        expected.kernel = expected.kernel && !difference.kernel;
      }
    }
    machine.step(filter);
  }
  expected.value = machine.result.value_or(0);
  return expected;
}

}  // namespace

std::string Engines::load(const cbpfc::Filter& filter) {
  filter_ = &filter;
  raw_ = filter.encode();
  loaded_ = Loaded::Nothing;
  const int refusal = kernel_.attach(raw_);
  // A filter whose translation outgrows the socket's net.core.optmem_max cannot be attached, though
  // it is valid; the other engines still run it.
  kernel_attached_ = refusal == 0;
  return refusal == 0 || refusal == ENOMEM
             ? std::string()
             : fmt::format("SO_ATTACH_FILTER refuses with errno {}", refusal);
}

std::string Engines::run(std::span<const std::uint8_t> packet) {
  const Expectation expected = expect(*filter_, packet);
  const Loaded wanted = packet.size() < kMinTestRunBytes ? Loaded::Skip : Loaded::Plain;
  if (loaded_ != wanted) {
    if (std::string error = ebpf_.load(*filter_, wanted == Loaded::Skip); !error.empty()) {
      return error;
    }
    loaded_ = wanted;
  }
  const auto disagreement = [&](std::string_view engine, std::uint32_t value,
                                std::uint32_t wanted_value) {
    return fmt::format("{} says {:#x}, expected {:#x}, packet of {} bytes: {:02x}", engine, value,
                       wanted_value, packet.size(), fmt::join(packet, " "));
  };
  if (const std::uint32_t value = ebpf_.run(packet); value != expected.value) {
    return disagreement("eBPF", value, expected.value);
  }
  if (const std::uint32_t value = run_libpcap(raw_, packet);
      expected.libpcap && value != expected.value) {
    return disagreement("libpcap", value, expected.value);
  }
  if (!kernel_attached_) {
    return {};
  }
  const std::optional<std::uint32_t> delivered = kernel_.run(packet);
  const std::uint32_t trimmed =
      std::min<std::uint32_t>(expected.value, static_cast<std::uint32_t>(packet.size()));
  if (expected.kernel &&
      (delivered.has_value() != (expected.value != 0) || delivered.value_or(0) != trimmed)) {
    return disagreement("the kernel", delivered.value_or(0), trimmed);
  }
  return {};
}

}  // namespace differential
