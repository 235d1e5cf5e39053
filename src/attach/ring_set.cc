// SPDX-License-Identifier: BSD-3-Clause

#include "attach/ring_set.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstring>

#include "kernel/map.h"

namespace xdpcap {
namespace {

std::unexpected<Error> epoll_failure(int error_number) {
  return fail(Errc::Kernel, fmt::format("watch the rings: epoll: {}", std::strerror(error_number)),
              error_number);
}

}  // namespace

Result<RingSet> RingSet::create(std::uint64_t ring_bytes) {
  RingSet set;
  set.ring_bytes_ = ring_bytes;
  set.wake_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!set.wake_.is_open()) {
    return epoll_failure(errno);
  }
  const std::uint32_t cpus = TRY(possible_cpus());
  std::vector<int> fds;
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
    UniqueFd ring = TRY(create_ring_buffer("xdpcap_ring", ring_bytes)
                            .with_context(fmt::format("ring {} of {}", cpu + 1, cpus)));
    fds.push_back(ring.get());
    epoll_event event{.events = EPOLLIN, .data = {.u32 = cpu}};
    if (::epoll_ctl(set.wake_.get(), EPOLL_CTL_ADD, ring.get(), &event) != 0) {
      return epoll_failure(errno);
    }
    set.rings_.push_back(std::move(ring));
  }
  set.array_ = TRY(create_array_of_maps("xdpcap_rings", fds.front(), cpus));
  TRY(put_maps(set.array_.get(), fds));
  return set;
}

}  // namespace xdpcap
