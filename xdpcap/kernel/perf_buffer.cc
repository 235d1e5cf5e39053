// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/perf_buffer.h"

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "xdpcap/kernel/errors.h"

namespace xdpcap {
namespace {

/// Also CAP_SYS_ADMIN where perf_event_paranoid is above 2, as on Debian.
constexpr Capability kPerfCapabilities[] = {Capability::Perfmon};

std::size_t page_bytes() {
  return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

perf_event_mmap_page* PerfBuffer::control() const {
  return static_cast<perf_event_mmap_page*>(pages_.get());
}

const std::uint8_t* PerfBuffer::data() const {
  return static_cast<const std::uint8_t*>(pages_.get()) + page_bytes();
}

Result<std::optional<PerfBuffer>> PerfBuffer::open(std::uint32_t cpu, std::uint64_t data_bytes,
                                                   std::uint32_t watermark_bytes) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_BPF_OUTPUT;
  attributes.sample_type = PERF_SAMPLE_RAW;
  attributes.sample_period = 1;
  if (watermark_bytes > 1) {
    attributes.watermark = 1;
    attributes.wakeup_watermark = watermark_bytes;
  } else {
    attributes.wakeup_events = 1;
  }
  PerfBuffer buffer;
  constexpr int kAnyProcess = -1;
  constexpr int kNoGroup = -1;
  buffer.event_.reset(
      static_cast<int>(::syscall(SYS_perf_event_open, &attributes, kAnyProcess,
                                 static_cast<int>(cpu), kNoGroup, PERF_FLAG_FD_CLOEXEC)));
  if (!buffer.event_.is_open() && errno == ENODEV) {
    return std::nullopt;
  }
  const std::string attempt =
      fmt::format("make a perf buffer of {} bytes for CPU {}", data_bytes, cpu);
  if (!buffer.event_.is_open()) {
    return kernel_failure(attempt, errno, kPerfCapabilities);
  }
  const std::size_t bytes = page_bytes() + data_bytes;
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, buffer.event_.get(), 0);
  if (pages == MAP_FAILED) {
    return kernel_failure(attempt, errno, kPerfCapabilities);
  }
  buffer.pages_ = Mapping(pages, Unmap{bytes});
  buffer.data_bytes_ = data_bytes;
  if (::ioctl(buffer.event_.get(), PERF_EVENT_IOC_ENABLE, 0) != 0) {
    return kernel_failure(attempt, errno, kPerfCapabilities);
  }
  return buffer;
}

Result<UniqueFd> create_perf_event_array(const std::string& name, std::uint32_t cpus) {
  silence_libbpf();
  const int fd = bpf_map_create(BPF_MAP_TYPE_PERF_EVENT_ARRAY, name.c_str(), sizeof(std::uint32_t),
                                sizeof(std::uint32_t), cpus, nullptr);
  if (fd < 0) {
    return kernel_failure(fmt::format("create perf event array {}", name), errno, kMapCapabilities);
  }
  return UniqueFd(fd);
}

Result<void> put_perf_buffer(int array_fd, std::uint32_t cpu, const PerfBuffer& buffer) {
  const int fd = buffer.fd();
  if (bpf_map_update_elem(array_fd, &cpu, &fd, BPF_ANY) != 0) {
    return kernel_failure(fmt::format("give CPU {} its perf buffer", cpu), errno, kMapCapabilities);
  }
  return {};
}

}  // namespace xdpcap
