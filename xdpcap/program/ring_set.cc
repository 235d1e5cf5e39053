// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/program/ring_set.h"

#include <fmt/core.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/text.h"
#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/program/shared_ring.h"

namespace xdpcap {
namespace {

std::unexpected<Error> epoll_failure(int error_number) {
  return fail(Errc::Kernel, fmt::format("watch the rings: epoll: {}", errno_text(error_number)),
              error_number);
}

}  // namespace

Result<RingSet> RingSet::create(const RingSetOptions& options) {
  RingSet set;
  set.ring_bytes_ = options.ring_bytes;
  set.wake_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!set.wake_.is_open()) {
    return epoll_failure(errno);
  }
  const std::uint32_t cpus = options.cpus ? *options.cpus : TRY(present_cpus());
  if (is_perf(options.transport)) {
    TRY(set.create_perf_buffers(cpus, options.watermark_bytes));
  } else if (options.transport == Transport::Shared) {
    TRY(set.create_shared_rings(cpus));
  } else {
    TRY(set.create_rings(cpus));
  }
  return set;
}

Result<void> RingSet::create_shared_rings(std::uint32_t cpus) {
  if (ring_bytes_ > kMostSharedRingBytes) {
    return fail(Errc::Kernel,
                fmt::format("{} bytes are too many for a ring in shared memory: at most {}",
                            ring_bytes_, kMostSharedRingBytes),
                E2BIG);
  }
  const std::uint64_t value_bytes = shared_ring_layout(ring_bytes_).value_bytes;
  memory_bytes_ = cpus * value_bytes;
  map_ = TRY(create_mappable_array("xdpcap_rings", value_bytes, cpus)
                 .with_context(fmt::format("{} rings of {} bytes", cpus, ring_bytes_)));
  wakeup_ =
      TRY(create_ring_buffer("xdpcap_bell", static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))));
  shared_rings_ = cpus;
  return watch(wakeup_.get());
}

Result<void> RingSet::create_rings(std::uint32_t cpus) {
  std::vector<int> fds;
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
    UniqueFd ring = TRY(create_ring_buffer("xdpcap_ring", ring_bytes_)
                            .with_context(fmt::format("ring {} of {}", cpu + 1, cpus)));
    fds.push_back(ring.get());
    TRY(watch(ring.get()));
    rings_.push_back(std::move(ring));
    memory_bytes_ += ring_bytes_;
  }
  map_ = TRY(create_array_of_maps("xdpcap_rings", fds.front(), cpus));
  return put_maps(map_.get(), fds);
}

Result<void> RingSet::create_perf_buffers(std::uint32_t cpus, std::uint32_t watermark_bytes) {
  map_ = TRY(create_perf_event_array("xdpcap_rings", cpus));
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
    std::optional<PerfBuffer> buffer = TRY(PerfBuffer::open(cpu, ring_bytes_, watermark_bytes));
    if (!buffer) {
      continue;
    }
    TRY(put_perf_buffer(map_.get(), cpu, *buffer));
    TRY(watch(buffer->fd()));
    perf_buffers_.push_back(std::move(*buffer));
    memory_bytes_ += ring_bytes_;
  }
  return {};
}

Result<void> RingSet::watch(int fd) const {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (::epoll_ctl(wake_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return epoll_failure(errno);
  }
  return {};
}

}  // namespace xdpcap
