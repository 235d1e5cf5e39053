// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/program_link.h"

#include <bpf/bpf.h>

#include <cerrno>

namespace xdpcap {

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
