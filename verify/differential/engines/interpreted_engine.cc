// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/interpreted_engine.h"

#include <fmt/format.h>

#include "verify/interpreter/ebpf_interpret.h"

namespace differential {

std::string InterpretedEngine::load(const cbpfc::Filter& filter) {
  return load([&filter](const Configuration& configuration, std::uint32_t offset) {
    return compile_fragment(filter, configuration, offset);
  });
}

std::string InterpretedEngine::load(const Compile& compile) {
  const auto fragment = compile(configuration_, 0);
  if (!fragment) {
    return fragment.error().message;
  }
  auto insns = fragment->code.assemble();
  if (!insns) {
    return insns.error().message;
  }
  options_ = fragment->options;
  insns_ = *std::move(insns);
  return broken_promise(insns_, options_);
}

std::string InterpretedEngine::run(std::span<const std::uint8_t> packet, std::uint32_t& value) {
  const auto length = static_cast<std::uint32_t>(packet.size());
  const auto run =
      cbpfc::ebpf::interpret(insns_, packet, cbpfc::ebpf::entry_state(options_, length));
  if (!run) {
    return run.error().message;
  }
  executed_insns_ += run->insns;
  const std::uint64_t result = run->registers[static_cast<std::size_t>(options_.result)];
  value = static_cast<std::uint32_t>(result);
  return result == value ? std::string()
                         : fmt::format("result {:#x} has more than 32 bits", result);
}

}  // namespace differential
