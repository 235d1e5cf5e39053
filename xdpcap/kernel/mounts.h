// SPDX-License-Identifier: BSD-3-Clause
//
// What is mounted where this process can see it, by type: BPF file systems ("bpf"), and namespaces that `ip netns` and
// container runtimes keep under a name ("nsfs").
//
// A line of /proc/self/mountinfo, whose fields are separated by single spaces and may have bytes written in octal:
//
//     36 25 0:31 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700
//          device root  mount point ("\040" is a space) ^ any number of fields, "-", type
//
// Source: Linux v6.18 Documentation/filesystems/proc.rst, 3.5; fs/proc_namespace.c show_mountinfo().
// Tested by: xdpcap/tests/kernel_calls/mounts_test.cc.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace xdpcap {

struct Mount {
  std::string device;  ///< "0:31", major and minor number
  std::string root;    ///< what of the file system is mounted: "/", "net:[4026532008]"
  std::string path;
  bool operator==(const Mount&) const = default;
};

/// The mounts of a type in the text of a mountinfo file.  Lines that are none are skipped.
std::vector<Mount> parse_mounts(std::string_view mountinfo, std::string_view type);

/// The same of this process.
/// Errors: Errc::Io.
Result<std::vector<Mount>> mounts_of_type(std::string_view type);

}  // namespace xdpcap
