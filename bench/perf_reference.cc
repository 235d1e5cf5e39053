// SPDX-License-Identifier: BSD-3-Clause

#include "perf_reference.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cbpfc/ebpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "kernel/capabilities.h"
#include "kernel/errors.h"
#include "kernel/program.h"

namespace bench {

using cbpfc::Result;
using xdpcap::UniqueFd;

namespace {

std::unexpected<cbpfc::Error> failure(const char* attempt) {
  return xdpcap::kernel_failure(attempt, errno, xdpcap::kProgramCapabilities);
}

}  // namespace

void PerfBuffer::Unmap::operator()(void* address) const {
  ::munmap(address, bytes);
}

Result<PerfBuffer> PerfBuffer::create(int cpu, const PerfSize& size) {
  PerfBuffer buffer;
  buffer.cpu_ = cpu;
  buffer.data_bytes_ = size.buffer_bytes;
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_BPF_OUTPUT;
  attributes.sample_type = PERF_SAMPLE_RAW;
  attributes.sample_period = 1;
  attributes.watermark = 1;
  attributes.wakeup_watermark = size.watermark_bytes;
  buffer.event_.reset(static_cast<int>(
      ::syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!buffer.event_.is_open()) {
    return failure("open a perf event");
  }
  const std::size_t bytes = size.buffer_bytes + static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, buffer.event_.get(), 0);
  if (pages == MAP_FAILED) {
    return failure("map a perf buffer");
  }
  buffer.pages_ = std::unique_ptr<void, Unmap>(pages, Unmap{bytes});
  if (::ioctl(buffer.event_.get(), PERF_EVENT_IOC_ENABLE, 0) != 0) {
    return failure("enable a perf event");
  }
  return buffer;
}

PerfMemory PerfBuffer::memory() const {
  auto* first = static_cast<std::uint8_t*>(pages_.get());
  return {.control = static_cast<perf_event_mmap_page*>(pages_.get()),
          .data = first + ::sysconf(_SC_PAGESIZE),
          .data_bytes = data_bytes_};
}

Result<PerfReference> PerfReference::create(std::span<const int> cpus, const PerfSize& size) {
  PerfReference reference;
  reference.map_.reset(bpf_map_create(BPF_MAP_TYPE_PERF_EVENT_ARRAY, "bench_perf", 4, 4,
                                      static_cast<__u32>(libbpf_num_possible_cpus()), nullptr));
  if (!reference.map_.is_open()) {
    return failure("create a perf event array");
  }
  for (const int cpu : cpus) {
    PerfBuffer buffer = TRY(PerfBuffer::create(cpu, size));
    const int event = buffer.event_fd();
    if (bpf_map_update_elem(reference.map_.get(), &cpu, &event, BPF_ANY) != 0) {
      return failure("put a perf event into its array");
    }
    reference.buffers_.push_back(std::move(buffer));
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
  for (const PerfBuffer& buffer : buffers_) {
    PerfRecords(buffer.memory()).drain();
  }
}

}  // namespace bench
