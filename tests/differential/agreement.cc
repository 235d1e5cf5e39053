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

std::string disagreement(std::string_view engine, std::uint32_t value, std::uint32_t wanted,
                         std::span<const std::uint8_t> packet) {
  return fmt::format("{} says {:#x}, expected {:#x}, packet of {} bytes: {:02x}", engine, value,
                     wanted, packet.size(), fmt::join(packet, " "));
}

/// Runs `packet` through a fragment in the kernel or interpreted.
template <typename Engine>
std::string run_fragment(Engine& engine, std::string_view where,
                         std::span<const std::uint8_t> packet, std::uint32_t value) {
  const Configuration& configuration = engine.configuration();
  const std::string name = fmt::format("{} eBPF {}", configuration.name, where);
  const std::uint32_t wanted = configuration.is_match_only() ? value != 0 : value;
  std::uint32_t given = 0;
  const std::string error = engine.run(packet, given);
  if (!error.empty()) {
    return fmt::format("{}: {}, packet of {} bytes: {:02x}", name, error, packet.size(),
                       fmt::join(packet, " "));
  }
  return given == wanted ? std::string() : disagreement(name, given, wanted, packet);
}

}  // namespace

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

CheapEngines::CheapEngines() {
  for (const Configuration& configuration : configurations()) {
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

Engines::Engines() {
  for (const Configuration& configuration : configurations()) {
    fragments_.emplace_back(runner_, configuration);
  }
}

std::string Engines::load(const cbpfc::Filter& filter) {
  filter_ = &filter;
  if (std::string error = cheap_.load(filter); !error.empty()) {
    return error;
  }
  for (EbpfEngine& engine : fragments_) {
    if (std::string error = engine.load(filter); !error.empty()) {
      return fmt::format("{} eBPF: {}", engine.configuration().name, error);
    }
  }
  const int refusal = kernel_.attach(filter.encode());
  // A filter whose translation outgrows the socket's net.core.optmem_max cannot be attached, though
  // it is valid; the other engines still run it.
  kernel_attached_ = refusal == 0;
  return refusal == 0 || refusal == ENOMEM
             ? std::string()
             : fmt::format("SO_ATTACH_FILTER refuses with errno {}", refusal);
}

std::string Engines::run(std::span<const std::uint8_t> packet) {
  if (std::string error = cheap_.run(packet); !error.empty()) {
    return error;
  }
  const Expectation expected = expect(*filter_, packet);
  for (EbpfEngine& engine : fragments_) {
    if (std::string error = run_fragment(engine, "in the kernel", packet, expected.value);
        !error.empty()) {
      return error;
    }
  }
  if (!kernel_attached_ || !expected.kernel) {
    return {};
  }
  const std::optional<std::uint32_t> delivered = kernel_.run(packet);
  const std::uint32_t trimmed =
      std::min<std::uint32_t>(expected.value, static_cast<std::uint32_t>(packet.size()));
  return delivered.has_value() == (expected.value != 0) && delivered.value_or(0) == trimmed
             ? std::string()
             : disagreement("the kernel's classic BPF", delivered.value_or(0), trimmed, packet);
}

}  // namespace differential
