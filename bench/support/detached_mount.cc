// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/detached_mount.h"

#include <fmt/format.h>
#include <sys/mount.h>

#include <array>
#include <cerrno>

#include "xdpcap/kernel/errors.h"

namespace bench {

using cbpfc::Result;
using xdpcap::UniqueFd;

Result<DetachedMount> DetachedMount::tmpfs(std::uint64_t most_bytes) {
  return create("tmpfs", std::to_string(most_bytes));
}

Result<DetachedMount> DetachedMount::bpffs() {
  return create("bpf", "");
}

Result<DetachedMount> DetachedMount::create(const char* type, const std::string& size) {
  constexpr std::array kNeeded = {xdpcap::Capability::SysAdmin};
  const auto failure = [&] {
    return xdpcap::kernel_failure(fmt::format("mount a file system of type {}", type), errno,
                                  kNeeded);
  };
  const UniqueFd context(::fsopen(type, FSOPEN_CLOEXEC));
  if (!context.is_open() ||
      (!size.empty() &&
       ::fsconfig(context.get(), FSCONFIG_SET_STRING, "size", size.c_str(), 0) != 0) ||
      ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return failure();
  }
  UniqueFd mount(::fsmount(context.get(), 0, 0));  // children take it over
  if (!mount.is_open()) {
    return failure();
  }
  return DetachedMount(std::move(mount));
}

std::string DetachedMount::path(const std::string& name) const {
  return fmt::format("/proc/self/fd/{}/{}", fd_.get(), name);
}

}  // namespace bench
