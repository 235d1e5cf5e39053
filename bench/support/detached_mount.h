// SPDX-License-Identifier: BSD-3-Clause
//
// A file system that is mounted nowhere: only a descriptor leads to it, which children take over; /proc/self/fd is
// a path for each of them.  (Another process's /proc/<pid>/fd is closed to an xdpcap that has given up its capabilities.)
//
// So there is no mount point to clean up, and all of it goes with the process however that ends.
//
// Source: fsopen(2), fsmount(2), Linux 5.2; in glibc since 2.36.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <string>

#include "base/unique_fd.h"

namespace bench {

class DetachedMount {
 public:
  /// Errors: Errc::Permission, Errc::Kernel.
  static cbpfc::Result<DetachedMount> tmpfs(std::uint64_t most_bytes);
  static cbpfc::Result<DetachedMount> bpffs();

  /// A path to `name` at its top, for this process and its children.
  std::string path(const std::string& name) const;

 private:
  explicit DetachedMount(xdpcap::UniqueFd fd) : fd_(std::move(fd)) {}
  static cbpfc::Result<DetachedMount> create(const char* type, const std::string& size);

  xdpcap::UniqueFd fd_;
};

}  // namespace bench
