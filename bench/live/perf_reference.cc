// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/perf_reference.h"

#include <bpf/bpf.h>
#include <cbpfc/ebpf.h>
#include <fmt/format.h>

#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"

namespace bench {

using cbpfc::Result;
using xdpcap::UniqueFd;

Result<PerfReference> PerfReference::create(std::span<const int> cpus, const PerfSize& size) {
  PerfReference reference;
  const std::uint32_t possible = TRY(xdpcap::possible_cpus());
  reference.map_ = TRY(xdpcap::create_perf_event_array("bench_perf", possible));
  for (const int number : cpus) {
    const auto cpu = static_cast<std::uint32_t>(number);
    auto buffer = TRY(xdpcap::PerfBuffer::open(cpu, size.buffer_bytes, size.watermark_bytes));
    if (!buffer) {
      return cbpfc::fail(cbpfc::Errc::Kernel,
                         fmt::format("make a perf buffer: CPU {} is not online", cpu));
    }
    TRY(xdpcap::put_perf_buffer(reference.map_.get(), cpu, *buffer));
    reference.buffers_.push_back(std::move(*buffer));
  }
  return reference;
}

Result<UniqueFd> PerfReference::load(xdpcap::Action action, bool is_multi_buffer) const {
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  constexpr std::uint64_t kCurrentCpu = 0xffffffff;
  const auto value = static_cast<std::int32_t>(xdpcap::index(action));
  Assembly code;
  code.add(mov(Reg::R6, Reg::R1));
  // flags = packet length, in all buffers << 32 | this CPU
  if (is_multi_buffer) {
    code.add(call(BPF_FUNC_xdp_get_buff_len));
    code.add(mov(Reg::R3, Reg::R0));
  } else {
    code.add(cbpfc::ebpf::load(Width::Word, Reg::R3, Reg::R6, 4));
    code.add(cbpfc::ebpf::load(Width::Word, Reg::R2, Reg::R6, 0));
    code.add(alu(Alu::Sub, Reg::R3, Reg::R2));
  }
  code.add(alu(Alu::Lsh, Reg::R3, 32));
  code.add_constant64(Reg::R2, kCurrentCpu);
  code.add(alu(Alu::Or, Reg::R3, Reg::R2));
  code.add_map_fd(Reg::R2, map_.get());
  code.add(store(Width::Double, Reg::R10, -16, value));
  code.add(store(Width::Double, Reg::R10, -8, 0));
  code.add(mov(Reg::R4, Reg::R10));
  code.add(alu(Alu::Add, Reg::R4, -16));
  code.add(mov(Reg::R5, static_cast<std::int32_t>(kPerfMetadataBytes)));
  code.add(mov(Reg::R1, Reg::R6));
  code.add(call(BPF_FUNC_perf_event_output));
  code.add(mov(Reg::R0, value));
  code.add(exit_insn());
  const auto insns = TRY(code.assemble());
  return xdpcap::load_xdp_program(
      {.name = "bench_perf", .insns = insns, .multi_buffer = is_multi_buffer});
}

void PerfReference::drain() const {
  for (const xdpcap::PerfBuffer& buffer : buffers_) {
    PerfRecords(memory_of(buffer)).drain();
  }
}

}  // namespace bench
