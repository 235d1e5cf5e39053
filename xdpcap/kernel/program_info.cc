// SPDX-License-Identifier: BSD-3-Clause
//
// The kernel says how many maps a program has, and writes as many ids as there is room for.  The number grows when
// somebody binds a map to the program (BPF_PROG_BIND_MAP), so the room is made again until all are in it.

#include "xdpcap/kernel/program_info.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace xdpcap {

Result<ProgramInfo> program_info(int program_fd) {
  std::vector<std::uint32_t> map_ids;
  bpf_prog_info info{};
  do {
    map_ids.resize(info.nr_map_ids);
    info = {};
    info.nr_map_ids = static_cast<__u32>(map_ids.size());
    info.map_ids = reinterpret_cast<std::uintptr_t>(map_ids.data());
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0) {
      return kernel_failure("ask what a program is", errno, kProgramCapabilities);
    }
  } while (info.nr_map_ids > map_ids.size());
  map_ids.resize(info.nr_map_ids);
  ProgramInfo result{.id = info.id,
                     .type = info.type,
                     .name = std::string(info.name, ::strnlen(info.name, sizeof(info.name))),
                     .map_ids = std::move(map_ids),
                     .loaded = std::chrono::nanoseconds(info.load_time),
                     .user_id = info.created_by_uid};
  std::copy_n(std::begin(info.tag), result.tag.size(), result.tag.begin());
  return result;
}

Result<std::vector<cbpfc::ebpf::Insn>> program_instructions(int program_fd) {
  using cbpfc::ebpf::Insn;
  std::vector<Insn> insns;
  for (std::size_t size_bytes = 0;;) {
    insns.resize(size_bytes / sizeof(Insn));
    bpf_prog_info info{};
    info.xlated_prog_len = static_cast<__u32>(size_bytes);
    info.xlated_prog_insns = reinterpret_cast<std::uintptr_t>(insns.data());
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0) {
      return kernel_failure("ask for the instructions of a program", errno, kProgramCapabilities);
    }
    if (info.xlated_prog_len == 0 || (size_bytes != 0 && info.xlated_prog_insns == 0)) {
      return std::vector<Insn>();
    }
    if (info.xlated_prog_len == size_bytes) {
      return insns;
    }
    size_bytes = info.xlated_prog_len;
  }
}

}  // namespace xdpcap
