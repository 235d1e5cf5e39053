// SPDX-License-Identifier: BSD-3-Clause
//
// XDP programs run as RCU readers, so an RCU grace period is what has to be waited for.  User space
// can ask for one in two ways:
//
//   * membarrier(MEMBARRIER_CMD_GLOBAL), which is a synchronize_rcu(); refused on nohz_full
//   machines.
//     With one CPU online it returns at once, which is as good: we run, so no program does.
//   * changing an element of an array of maps: the kernel returns when no program can still use the
//     old one.  Needs CAP_BPF, tens of milliseconds.
//
// Source: Linux v6.18 kernel/sched/membarrier.c SYSCALL_DEFINE3(membarrier);
// kernel/bpf/syscall.c maybe_wait_bpf_programs().
// Tested by: tests/kernel/hook_capture_test.cc, by counters that are exact after a detach.

#include "kernel/quiesce.h"

#include <bpf/bpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "kernel/unique_fd.h"

namespace xdpcap {
namespace {

/// The system call itself: before its first map libbpf loads programs, to find out about limits and names, and by now
/// this process may be one that is killed for that (privilege/system_calls.h).
UniqueFd create_map(bpf_map_type type, int inner_fd) {
  bpf_attr attributes{};
  attributes.map_type = type;
  attributes.key_size = sizeof(std::uint32_t);
  attributes.value_size = sizeof(std::uint32_t);
  attributes.max_entries = 1;
  attributes.inner_map_fd = static_cast<std::uint32_t>(inner_fd);
  return UniqueFd(
      static_cast<int>(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes))));
}

/// Returns 0 or an errno.
int change_array_of_maps() {
  const UniqueFd inner = create_map(BPF_MAP_TYPE_ARRAY, 0);
  if (!inner.is_open()) {
    return errno;
  }
  const UniqueFd outer = create_map(BPF_MAP_TYPE_ARRAY_OF_MAPS, inner.get());
  const std::uint32_t key = 0;
  const int value = inner.get();
  if (!outer.is_open() || bpf_map_update_elem(outer.get(), &key, &value, BPF_ANY) != 0) {
    return errno;
  }
  return 0;
}

}  // namespace

Result<void> wait_for_running_programs() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) {
    return {};
  }
  if (const int error_number = change_array_of_maps(); error_number != 0) {
    return kernel_failure("wait for programs that still run; the last packets may be uncounted",
                          error_number, kMapCapabilities);
  }
  return {};
}

}  // namespace xdpcap
