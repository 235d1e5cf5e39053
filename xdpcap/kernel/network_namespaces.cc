// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/network_namespaces.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <system_error>

#include "base/unique_fd.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/mounts.h"

namespace xdpcap {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOwnNamespace = "/proc/self/ns/net";

struct Namespace {
  std::string name;  ///< for people
  std::string path;  ///< to open
};

std::optional<ino_t> inode_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? std::optional(status.st_ino) : std::nullopt;
}

std::string name_of_process(const std::string& directory) {
  std::string name;
  std::getline(std::ifstream(directory + "/comm"), name);
  return name;
}

/// Those that are mounted, as "blue".
void add_mounted(std::map<ino_t, Namespace>& namespaces) {
  const Result<std::vector<Mount>> mounts = mounts_of_type("nsfs");
  for (const Mount& mount : mounts ? *mounts : std::vector<Mount>()) {
    const std::optional<ino_t> inode = inode_of(mount.path);
    if (inode && mount.root.starts_with("net:")) {
      namespaces.try_emplace(
          *inode, Namespace{.name = fs::path(mount.path).filename(), .path = mount.path});
    }
  }
}

/// Those that processes are in, as "of process 4242 (nginx)".
void add_those_of_processes(std::map<ino_t, Namespace>& namespaces) {
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string pid = entry->path().filename();
    if (!std::ranges::all_of(pid, [](char c) { return c >= '0' && c <= '9'; })) {
      continue;
    }
    const std::string path = entry->path().string() + "/ns/net";
    const std::optional<ino_t> inode = inode_of(path);
    if (inode && !namespaces.contains(*inode)) {
      namespaces[*inode] = {
          .name = fmt::format("of process {} ({})", pid, name_of_process(entry->path().string())),
          .path = path};
    }
  }
}

/// The interfaces of a namespace that can be entered.
Result<std::vector<Interface>> interfaces_in(const Namespace& space, int own_fd) {
  const UniqueFd fd(::open(space.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open() || ::setns(fd.get(), CLONE_NEWNET) != 0) {
    return std::vector<Interface>();
  }
  Result<std::vector<Interface>> interfaces = all_interfaces();
  if (::setns(own_fd, CLONE_NEWNET) != 0) {
    return kernel_failure(fmt::format("return from network namespace {}", space.name), errno, {});
  }
  return interfaces ? std::move(interfaces) : std::vector<Interface>();
}

}  // namespace

Result<std::vector<Interface>> xdp_interfaces_elsewhere() {
  std::vector<Interface> found;
  const UniqueFd own(::open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
  const std::optional<ino_t> own_inode = inode_of(kOwnNamespace);
  if (!own.is_open() || !own_inode) {
    return found;
  }
  std::map<ino_t, Namespace> namespaces;
  add_mounted(namespaces);
  add_those_of_processes(namespaces);
  namespaces.erase(*own_inode);
  for (const auto& [inode, space] : namespaces) {
    for (Interface& interface : TRY(interfaces_in(space, own.get()))) {
      if (!interface.xdp.empty()) {
        interface.network_namespace = space.name;
        found.push_back(std::move(interface));
      }
    }
  }
  return found;
}

}  // namespace xdpcap
