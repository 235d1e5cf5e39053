// SPDX-License-Identifier: BSD-3-Clause
//
// Pins in a BPF file system, and saying what is wrong with a path that is none.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/map.h"

namespace xdpcap {

/// Opens the map pinned at `path`, for reading and writing.
///
/// Errors: NotFound when the path does not exist; InvalidArgument when it is a directory, not in a
/// BPF file system, or pins a program or link; Permission.
Result<UniqueFd> open_pinned_map(const std::string& path);

/// Pins a map or program at a name below a directory, of which `directory` is the path in messages.
/// Errors: Permission, Kernel.
Result<void> pin_at(int directory_fd, const std::string& directory, const std::string& name,
                    int fd);

/// Opens what is pinned there.
/// Errors: NotFound, Permission, Kernel.
Result<UniqueFd> open_pin_at(int directory_fd, const std::string& directory,
                             const std::string& name);

/// "map", "program", "link" or "object", by what the kernel calls the descriptor.
std::string_view object_kind(int fd);

// All maps that are pinned where this process can see them.
//
// Every mounted BPF file system is walked, each directory once: a file system may be mounted at several places, as
// container managers do, and its pins are then listed by the first.  A mount that another one hides is left out, since
// its paths lead elsewhere; so is what this user may not read, and what lies deeper than kDeepestPin directories.
//
// Source: Linux v6.18 kernel/bpf/inode.c.
// Tested by: xdpcap/tests/kernel/hook/hook_inventory_test.cc.

inline constexpr int kDeepestPin = 16;

struct PinnedMap {
  std::string path;
  MapInfo map;
};

/// In the order of paths.  A map that is pinned several times is there several times.
/// Errors: Errc::Io when the mounts are not known.
Result<std::vector<PinnedMap>> pinned_maps();

}  // namespace xdpcap
