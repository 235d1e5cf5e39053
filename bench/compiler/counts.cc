// SPDX-License-Identifier: BSD-3-Clause

#include "bench/compiler/counts.h"

#include <fmt/format.h>
#include <linux/bpf.h>

#include "verify/interpreter/ebpf_interpret.h"

namespace bench {

cbpfc::Result<Executed> count_executed(const Program& minimal,
                                       std::span<const std::uint8_t> packet) {
  using cbpfc::ebpf::Reg;
  const cbpfc::ebpf::EntryState entry{
      .wire_length_bytes = static_cast<std::uint32_t>(packet.size()), .context = Reg::R1};
  const auto run = TRY(cbpfc::ebpf::interpret(minimal, packet, entry));
  const std::uint64_t action = run.registers[0];
  if (action != XDP_DROP && action != XDP_PASS) {
    return cbpfc::fail(cbpfc::Errc::InvalidProgram,
                       fmt::format("run eBPF: the program ended with {}, not with an action of its "
                                   "filter: this is a bug of the benchmark or the compiler",
                                   action));
  }
  return Executed{.insns = run.insns, .matches = action == XDP_DROP};
}

}  // namespace bench
