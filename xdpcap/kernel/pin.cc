// SPDX-License-Identifier: BSD-3-Clause
//
// BPF_OBJ_GET answers a wrong path with a bare EINVAL or EACCES, so the path is looked at first,
// from the outside in: does it exist, is it a file, of a BPF file system, and does it pin a map?
//
// Source: Linux v6.18 kernel/bpf/inode.c bpf_obj_do_get(); include/uapi/linux/magic.h BPF_FS_MAGIC.
// Tested by: xdpcap/tests/kernel/hook/hook_test.cc.

#include "xdpcap/kernel/pin.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/unique_fd.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/mounts.h"

namespace xdpcap {
namespace {

constexpr std::uint64_t kBpfFsMagic = 0xcafe4a11;
constexpr const char* kUsualMountPoint = "/sys/fs/bpf";

bool is_bpf_file_system(const std::string& path) {
  struct statfs info{};
  return ::statfs(path.c_str(), &info) == 0 &&
         static_cast<std::uint64_t>(info.f_type) == kBpfFsMagic;
}

/// For paths where a BPF file system should be: what to do when there is none.
std::string mount_advice(const std::string& path) {
  const std::string inside = std::string(kUsualMountPoint) + "/";
  if (!path.starts_with(inside) || is_bpf_file_system(kUsualMountPoint)) {
    return "";
  }
  return fmt::format(
      "; no BPF file system is mounted on {0} here: mount it with `mount -t bpf bpf {0}`, and note "
      "that `ip netns exec` hides it while `nsenter --net=` does not",
      kUsualMountPoint);
}

/// "/sys/fs/bpf, of user 0 with mode 0700".
std::string with_owner_and_mode(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    return path;
  }
  return fmt::format("{}, of user {} with mode {:04o}", path, info.st_uid, info.st_mode & 07777U);
}

/// A user whom the files refuse: what else they lack to capture, and what to do.
/// `change`: what would let this user at the files, which no capability of kProgramCapabilities does.
std::unexpected<Error> refusal(const std::string& what, const std::string& change) {
  std::string lacks;
  for (const Capability missing :
       missing_capabilities(kProgramCapabilities, effective_capabilities())) {
    lacks += (lacks.empty() ? "" : " and ") + name(missing);
  }
  const std::string advice = lacks.empty()
                                 ? fmt::format("; {}", change)
                                 : fmt::format(
                                       ", and this process lacks {}; run as root, or give it these "
                                       "capabilities and {}",
                                       lacks, change);
  return fail(Errc::Permission, what + advice, EACCES);
}

std::unexpected<Error> pin_refusal(const std::string& attempt, const std::string& path) {
  return refusal(fmt::format("{}: this user may not read and write the pin {}", attempt,
                             with_owner_and_mode(path)),
                 fmt::format("make it this user's: `chown {} {}`, or a group's: `chgrp GROUP {}` "
                             "and `chmod 0660 {}`",
                             ::geteuid(), path, path, path));
}

/// The first directory on the way to `path` that this user may not enter.
std::unexpected<Error> directory_refusal(const std::string& attempt, const std::string& path) {
  const std::string what =
      fmt::format("{}: this user may not enter a directory on the way to it", attempt);
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string directory = path.substr(0, std::max<std::size_t>(slash, 1));
    if (::faccessat(AT_FDCWD, directory.c_str(), X_OK, AT_EACCESS) != 0) {
      return refusal(fmt::format("{}: {}", what, with_owner_and_mode(directory)),
                     fmt::format("let this user enter it: `chmod a+x {}`", directory));
    }
  }
  return refusal(what, "let this user enter it");
}

Result<void> check_path(const std::string& attempt, const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    const int error_number = errno;
    switch (error_number) {
      case ENOENT:
      case ENOTDIR:
        return fail(Errc::NotFound,
                    fmt::format("{}: there is no such file{}", attempt, mount_advice(path)),
                    error_number);
      case EACCES: return directory_refusal(attempt, path);
      default:
        return fail(Errc::InvalidArgument, fmt::format("{}: {}", attempt, errno_text(error_number)),
                    error_number);
    }
  }
  if (S_ISDIR(info.st_mode)) {
    return fail(Errc::InvalidArgument,
                fmt::format("{}: it is a directory; name the pinned map in it{}", attempt,
                            mount_advice(path + "/")));
  }
  if (!is_bpf_file_system(path)) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("{}: it is not in a BPF file system, so it is not a pinned map; pin the "
                    "hook with `bpftool map pin` under {}{}",
                    attempt, kUsualMountPoint, mount_advice(path)));
  }
  return {};
}

// What `call` returns in the directory, since bpf(2) takes paths that are relative to the working directory.
template <typename Call>
int call_inside(int directory_fd, Call call) {
  const UniqueFd before(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const int result = ::fchdir(directory_fd) == 0 ? call() : -1;
  const int error_number = errno;
  if (before.is_open()) {
    static_cast<void>(::fchdir(before.get()) == 0 || ::chdir("/") == 0);
  }
  errno = error_number;
  return result;
}

}  // namespace

Result<UniqueFd> open_pinned_map(const std::string& path) {
  silence_libbpf();
  const std::string attempt = fmt::format("open hook {}", path);
  TRY(check_path(attempt, path));
  UniqueFd fd(bpf_obj_get(path.c_str()));
  if (!fd.is_open()) {
    const int error_number = errno;
    if (error_number == EACCES &&
        ::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) != 0) {
      return pin_refusal(attempt, path);
    }
    return kernel_failure(attempt, error_number, kHookCapabilities);
  }
  if (const std::string_view kind = object_kind(fd.get()); kind != "map" && kind != "object") {
    return fail(Errc::InvalidArgument,
                fmt::format("{}: it pins a {}, not a map; name the pinned program array that the "
                            "program tail-calls into",
                            attempt, kind));
  }
  return fd;
}

Result<void> pin_at(int directory_fd, const std::string& directory, const std::string& name,
                    int fd) {
  if (call_inside(directory_fd, [&] { return bpf_obj_pin(fd, name.c_str()); }) != 0) {
    return kernel_failure(fmt::format("pin {}/{}", directory, name), errno, kMapCapabilities);
  }
  return {};
}

Result<UniqueFd> open_pin_at(int directory_fd, const std::string& directory,
                             const std::string& name) {
  UniqueFd fd(call_inside(directory_fd, [&] { return bpf_obj_get(name.c_str()); }));
  if (fd.is_open()) {
    return fd;
  }
  const std::string attempt = fmt::format("open pin {}/{}", directory, name);
  return errno == ENOENT ? fail(Errc::NotFound, attempt + ": there is none", ENOENT)
                         : kernel_failure(attempt, errno, kHookCapabilities);
}

// Source: Linux v6.18 kernel/bpf/syscall.c bpf_map_new_fd(), bpf_prog_new_fd(), bpf_link_new_fd().
// Tested by: xdpcap/tests/kernel/hook/hook_test.cc.

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

namespace {

namespace fs = std::filesystem;

/// The map pinned at `path`; nullopt if that is no map, or may not be read.
std::optional<MapInfo> pinned_map(const std::string& path) {
  struct bpf_obj_get_opts options{};
  options.sz = sizeof(options);
  options.file_flags = BPF_F_RDONLY;
  const UniqueFd fd(bpf_obj_get_opts(path.c_str(), &options));
  if (!fd.is_open() || object_kind(fd.get()) != "map") {
    return std::nullopt;
  }
  Result<MapInfo> info = map_info(fd.get());
  return info.has_value() ? std::optional(std::move(*info)) : std::nullopt;
}

class Walk {
 public:
  void look_at(const Mount& mount) {
    struct stat info{};
    if (::stat(mount.path.c_str(), &info) == 0 &&
        mount.device == fmt::format("{}:{}", major(info.st_dev), minor(info.st_dev))) {
      visit(mount.path, info.st_dev, 0);
    }
  }

  std::vector<PinnedMap> take() && { return std::move(found_); }

 private:
  void visit(const std::string& path, dev_t device, int depth) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0 || info.st_dev != device) {
      return;
    }
    if (S_ISREG(info.st_mode)) {
      if (std::optional<MapInfo> map = pinned_map(path)) {
        found_.push_back({.path = path, .map = std::move(*map)});
      }
      return;
    }
    if (!S_ISDIR(info.st_mode) || depth > kDeepestPin ||
        !directories_.emplace(info.st_dev, info.st_ino).second) {
      return;
    }
    std::error_code error;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
      visit(entry->path().string(), device, depth + 1);
    }
  }

  std::set<std::pair<dev_t, ino_t>> directories_;
  std::vector<PinnedMap> found_;
};

}  // namespace

Result<std::vector<PinnedMap>> pinned_maps() {
  silence_libbpf();
  Walk walk;
  for (const Mount& mount : TRY(mounts_of_type("bpf"))) {
    walk.look_at(mount);
  }
  std::vector<PinnedMap> found = std::move(walk).take();
  std::ranges::sort(found, {}, &PinnedMap::path);
  return found;
}

}  // namespace xdpcap
