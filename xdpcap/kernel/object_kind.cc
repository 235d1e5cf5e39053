// SPDX-License-Identifier: BSD-3-Clause
//
// Source: Linux v6.18 kernel/bpf/syscall.c bpf_map_new_fd(), bpf_prog_new_fd(), bpf_link_new_fd().
// Tested by: xdpcap/tests/kernel/hook/hook_test.cc.

#include "xdpcap/kernel/object_kind.h"

#include <fmt/core.h>
#include <unistd.h>

#include <array>

namespace xdpcap {

std::string_view object_kind(int fd) {
  std::array<char, 64> target{};
  const ssize_t length =
      ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
  const std::string_view text(target.data(), length < 0 ? 0 : static_cast<std::size_t>(length));
  if (text.ends_with("bpf-map")) {
    return "map";
  }
  if (text.ends_with("bpf-prog")) {
    return "program";
  }
  // "bpf_link" up to Linux 6.16, "bpf-link" since.
  if (text.ends_with("bpf_link") || text.ends_with("bpf-link")) {
    return "link";
  }
  return "object";
}

}  // namespace xdpcap
