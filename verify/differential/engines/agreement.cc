// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "verify/interpreter/machine.h"

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

}  // namespace

std::string packet_text(std::span<const std::uint8_t> packet) {
  constexpr std::size_t kMostShown = 300;
  return fmt::format("packet of {} bytes: {:02x}", packet.size(),
                     fmt::join(packet.first(std::min(packet.size(), kMostShown)), " "));
}

std::string disagreement(std::string_view engine, std::uint32_t value, std::uint32_t wanted,
                         std::span<const std::uint8_t> packet) {
  return fmt::format("{} says {:#x}, expected {:#x}, {}", engine, value, wanted,
                     packet_text(packet));
}

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

CheapEngines::CheapEngines() : CheapEngines(configurations()) {
  for (const Configuration& configuration : other_configurations()) {
    fragments_.emplace_back(configuration);
  }
}

CheapEngines::CheapEngines(const std::vector<Configuration>& in) {
  for (const Configuration& configuration : in) {
    fragments_.emplace_back(configuration);
  }
}

std::string CheapEngines::load(const cbpfc::Filter& filter) {
  filter_ = &filter;
  raw_ = filter.encode();
  for (InterpretedEngine& engine : fragments_) {
    if (std::string error = engine.load(filter); !error.empty()) {
      return fmt::format("{} eBPF: {}", engine.configuration().name, error);
    }
  }
  return {};
}

std::string CheapEngines::run(std::span<const std::uint8_t> packet) {
  const Expectation expected = expect(*filter_, packet);
  for (InterpretedEngine& engine : fragments_) {
    if (std::string error = run_fragment(engine, "interpreted", packet, expected.value);
        !error.empty()) {
      return error;
    }
  }
  const std::uint32_t value = run_libpcap(raw_, packet);
  return expected.libpcap && value != expected.value
             ? disagreement("libpcap", value, expected.value, packet)
             : std::string();
}

}  // namespace differential
