// SPDX-License-Identifier: BSD-3-Clause
//
// A program that was taken out of a program array may still run on another CPU.  User space can wait for its end in three ways:
//
//   * visiting every CPU, 0.1 ms for two.  Where XDP programs keep their CPU (xdpcap/kernel/features.h), none runs on a CPU on which this
//     thread runs, and one that begins later finds the array as it is now.  Not where this thread may not run on every CPU
//     that is online, or has to be asked to (isolated CPUs); nor with many CPUs, where the next is as fast.
//   * membarrier(MEMBARRIER_CMD_GLOBAL), which is a synchronize_rcu(): XDP programs run as RCU readers.  4 to 16 ms; refused on
//     nohz_full machines.
//   * changing an element of an array of maps: the kernel returns when no program can still use the old one, after another
//     synchronize_rcu().  Needs CAP_BPF.
//
// Source: Linux v6.18 kernel/sched/membarrier.c SYSCALL_DEFINE3(membarrier);
// kernel/bpf/syscall.c maybe_wait_bpf_programs(); kernel/sched/core.c affine_move_task().
// Tested by: xdpcap/tests/kernel/hook/quiesce_test.cc; xdpcap/tests/kernel/hook/hook_capture_test.cc, by counters that are exact after a detach.

#include "xdpcap/kernel/quiesce.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/features.h"

namespace xdpcap {
namespace {

/// The system call itself: before its first map libbpf loads programs, to find out about limits and names, and by now
/// this process may be one that is killed for that (xdpcap/privilege/system_calls.h).
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

constexpr std::size_t kMostVisited = 64;

/// The kernel's list of the CPUs that are online; not open where visiting them proves nothing, or disturbs (nohz_full).
UniqueFd open_online_cpus() {
  const long commands = ::syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  const bool has_no_tickless_cpus = commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL) != 0;
  return has_no_tickless_cpus && xdp_programs_keep_their_cpu()
             ? UniqueFd(::open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC))
             : UniqueFd();
}

/// Of prepare_to_wait_for_programs().
UniqueFd& kept_online_cpus() {
  static UniqueFd fd;
  return fd;
}

/// Empty when it is not known.
std::vector<std::uint32_t> online_cpus() {
  const UniqueFd opened = kept_online_cpus().is_open() ? UniqueFd() : open_online_cpus();
  const int fd = opened.is_open() ? opened.get() : kept_online_cpus().get();
  std::array<char, 4096> list{};
  const ssize_t got = ::pread(fd, list.data(), list.size(), 0);
  if (got <= 1) {
    return {};
  }
  return parse_cpu_list(std::string_view(list.data(), static_cast<std::size_t>(got) - 1))
      .value_or(std::vector<std::uint32_t>());  // behind it is a newline
}

bool run_on(std::uint32_t cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  return ::sched_setaffinity(0, sizeof(one), &one) == 0;
}

/// Runs on every CPU, one after the other.  Returns false if that was not possible.
bool visit_every_cpu() {
  const std::vector<std::uint32_t> online = online_cpus();
  cpu_set_t usual;
  if (online.empty() || online.size() > kMostVisited || online.back() >= CPU_SETSIZE ||
      ::sched_getaffinity(0, sizeof(usual), &usual) != 0) {
    return false;
  }
  for (const std::uint32_t cpu : online) {
    if (!CPU_ISSET(cpu, &usual)) {
      return false;
    }
  }
  bool were_all_visited = true;
  for (const std::uint32_t cpu : online) {
    were_all_visited = were_all_visited && run_on(cpu);
  }
  ::sched_setaffinity(0, sizeof(usual), &usual);
  return were_all_visited;
}

}  // namespace

void prepare_to_wait_for_programs() {
  kept_online_cpus() = open_online_cpus();
}

Result<void> wait_for_running_programs() {
  if (visit_every_cpu() || ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) {
    return {};
  }
  if (const int error_number = change_array_of_maps(); error_number != 0) {
    return kernel_failure("wait for programs that still run; the last packets may be uncounted",
                          error_number, kMapCapabilities);
  }
  return {};
}

}  // namespace xdpcap
