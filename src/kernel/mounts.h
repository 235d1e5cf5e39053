// SPDX-License-Identifier: BSD-3-Clause
//
// The BPF file systems that are mounted where this process can see them.
//
// A line of /proc/self/mountinfo, whose fields are separated by single spaces and may have bytes written in octal:
//
//     36 25 0:31 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700
//          device  mount point ("\040" is a space) ^ any number of fields, "-", type
//
// Source: Linux v6.18 Documentation/filesystems/proc.rst, 3.5; fs/proc_namespace.c show_mountinfo().
// Tested by: tests/unit/attach/mounts_test.cc.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernel/result.h"

namespace xdpcap {

struct BpfMount {
  std::string device;  ///< "0:31", major and minor number
  std::string path;
  bool operator==(const BpfMount&) const = default;
};

/// The mounts of type bpf in the text of a mountinfo file.  Lines that are none are skipped.
std::vector<BpfMount> parse_bpf_mounts(std::string_view mountinfo);

/// The same of this process.
/// Errors: Errc::Io.
Result<std::vector<BpfMount>> bpf_mounts();

}  // namespace xdpcap
