// SPDX-License-Identifier: BSD-3-Clause
//
// Which process is which: a pid alone is given again to another one.
//
// Source: Linux v6.18 Documentation/filesystems/proc.rst, table 1-4; namespaces(7).

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace xdpcap::test {

struct ProcessIdentity {
  std::uint32_t pid = 0;
  std::uint64_t start_time_ticks = 0;  ///< since boot
  std::uint64_t pid_namespace = 0;     ///< inode number of the namespace that `pid` counts in
  bool operator==(const ProcessIdentity&) const = default;
};

/// A process that runs now, by its pid in the namespace of this one; nullopt: there is none.
std::optional<ProcessIdentity> identity_of(pid_t pid);

/// This process.  What /proc does not tell is 0.
ProcessIdentity own_identity();

/// Whether it runs; a process that has ended and was not waited for does not.  nullopt: it is of another PID namespace.
std::optional<bool> is_running(const ProcessIdentity& process);

}  // namespace xdpcap::test
