// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/pinned_maps.h"

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "base/unique_fd.h"
#include "xdpcap/kernel/libbpf_quiet.h"
#include "xdpcap/kernel/mounts.h"
#include "xdpcap/kernel/object_kind.h"

namespace xdpcap {
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
