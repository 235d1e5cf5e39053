// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: tests/kernel/chain_test.cc.

#include "kernel/object_ids.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cerrno>

#include "kernel/libbpf_quiet.h"

namespace xdpcap {

Result<UniqueFd> open_program(std::uint32_t id) {
  UniqueFd fd(bpf_prog_get_fd_by_id(id));
  if (!fd.is_open()) {
    return kernel_failure(fmt::format("open program {}", id), errno, kIdCapabilities);
  }
  return fd;
}

Result<UniqueFd> open_map(std::uint32_t id) {
  UniqueFd fd(bpf_map_get_fd_by_id(id));
  if (!fd.is_open()) {
    return kernel_failure(fmt::format("open map {}", id), errno, kIdCapabilities);
  }
  return fd;
}

Result<std::vector<std::uint32_t>> all_map_ids() {
  silence_libbpf();
  std::vector<std::uint32_t> ids;
  std::uint32_t id = 0;
  while (bpf_map_get_next_id(id, &id) == 0) {
    ids.push_back(id);
  }
  if (errno != ENOENT) {
    return kernel_failure("list the maps of this machine", errno, kIdCapabilities);
  }
  return ids;
}

Result<std::vector<std::uint32_t>> maps_of_program(int program_fd) {
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  if (bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0) {
    return kernel_failure("ask for a program's maps", errno, kIdCapabilities);
  }
  // A loaded program's maps change only by one that a loader binds to it.
  std::vector<std::uint32_t> ids(info.nr_map_ids);
  info = {};
  info.nr_map_ids = static_cast<__u32>(ids.size());
  info.map_ids = reinterpret_cast<__u64>(ids.data());
  if (bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0) {
    return kernel_failure("ask for a program's maps", errno, kIdCapabilities);
  }
  ids.resize(std::min<std::size_t>(ids.size(), info.nr_map_ids));
  return ids;
}

}  // namespace xdpcap
