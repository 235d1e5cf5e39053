// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/objects.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <cerrno>
#include <string_view>

#include "xdpcap/kernel/errors.h"

namespace xdpcap {
namespace {

Result<std::vector<std::uint32_t>> all_ids(std::string_view objects,
                                           int (*next_id)(__u32, __u32*)) {
  silence_libbpf();
  std::vector<std::uint32_t> ids;
  for (std::uint32_t id = 0; next_id(id, &id) == 0;) {
    ids.push_back(id);
  }
  const int error_number = errno;
  if (error_number == ENOENT) {  // there is none behind the last
    return ids;
  }
  if (error_number == EINVAL) {
    return fail(Errc::Unsupported,
                fmt::format("list the {} of this machine: this kernel gives them no ids", objects),
                error_number);
  }
  return kernel_failure(fmt::format("list the {} of this machine", objects), error_number,
                        kIdCapabilities);
}

Result<UniqueFd> open_by_id(std::string_view object, int (*open)(__u32), std::uint32_t id) {
  silence_libbpf();
  UniqueFd fd(open(id));
  if (!fd.is_open()) {
    return kernel_failure(fmt::format("open {} {}", object, id), errno, kIdCapabilities);
  }
  return fd;
}

}  // namespace

Result<std::vector<std::uint32_t>> all_program_ids() {
  return all_ids("BPF programs", bpf_prog_get_next_id);
}

Result<std::vector<std::uint32_t>> all_link_ids() {
  return all_ids("BPF links", bpf_link_get_next_id);
}

Result<UniqueFd> open_program(std::uint32_t id) {
  return open_by_id("program", bpf_prog_get_fd_by_id, id);
}

Result<UniqueFd> open_map(std::uint32_t id) {
  return open_by_id("map", bpf_map_get_fd_by_id, id);
}

Result<UniqueFd> open_link(std::uint32_t id) {
  return open_by_id("link", bpf_link_get_fd_by_id, id);
}

Result<ProgramLink> program_link(int link_fd) {
  bpf_link_info info{};
  __u32 size = sizeof(info);
  if (bpf_obj_get_info_by_fd(link_fd, &info, &size) != 0) {
    return kernel_failure("ask what a link ties together", errno, kIdCapabilities);
  }
  switch (info.type) {
    case BPF_LINK_TYPE_XDP: return XdpLink{.program_id = info.prog_id, .ifindex = info.xdp.ifindex};
    case BPF_LINK_TYPE_TRACING:
      // Links of programs that trace functions look alike, but have an attach type, and what they name is no program.
      if (info.tracing.attach_type != 0) {
        return OtherLink{};
      }
      return ExtensionLink{.program_id = info.prog_id,
                           .target_program_id = info.tracing.target_obj_id};
    default: return OtherLink{};
  }
}

}  // namespace xdpcap
