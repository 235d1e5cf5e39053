// SPDX-License-Identifier: BSD-3-Clause
//
// All maps that are pinned where this process can see them.
//
// Every mounted BPF file system is walked, each directory once: a file system may be mounted at several places, as
// container managers do, and its pins are then listed by the first.  A mount that another one hides is left out, since
// its paths lead elsewhere; so is what this user may not read, and what lies deeper than kDeepestPin directories.
//
// Source: Linux v6.18 kernel/bpf/inode.c.
// Tested by: xdpcap/tests/kernel/hook/hook_inventory_test.cc.

#pragma once

#include <string>
#include <vector>

#include "xdpcap/kernel/map.h"

namespace xdpcap {

inline constexpr int kDeepestPin = 16;

struct PinnedMap {
  std::string path;
  MapInfo map;
};

/// In the order of paths.  A map that is pinned several times is there several times.
/// Errors: Errc::Io when the mounts are not known.
Result<std::vector<PinnedMap>> pinned_maps();

}  // namespace xdpcap
