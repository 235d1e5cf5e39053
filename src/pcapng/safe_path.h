// SPDX-License-Identifier: BSD-3-Clause
//
// Finding the place of an output without going through links that anybody may have put there.
//
// A capture runs as root, and its output is often in /tmp.  There, everybody may put a symbolic link under
// the name that is going to be written, or under that of a directory on the way, and have root overwrite
// any file of the machine.  Hence no link is followed that lies in a directory which everybody may write to,
// sticky or not, whatever the kernel's fs.protected_symlinks says.
//
//     /var/run/out.pcap      var/run is a link in /var, which is root's: followed by hand, to /run/out.pcap
//     /tmp/out.pcap          a link, and /tmp is everybody's: refused
//     /tmp/mine/out.pcap     a link in a directory of one's own: followed
//     /dev/stdout            links of /dev and /proc, up to /proc/self/fd/1: the kernel has to follow that
//
// The path is walked component by component.  Each directory is held by a descriptor, each link is read
// through one, so what was looked at is what is used, whoever changes names meanwhile.  The last
// component is opened in its directory with O_NOFOLLOW.
//
// Links in /proc lead to open files, which may have no name, so reading them does not help; they are the
// kernel's own, and nobody else can make any there.
//
// Cost: two or three system calls a component, once a file.
// Limits: a directory that only a group, or somebody in an access control list, may write to is trusted.
// Source: Linux v6.18 fs/namei.c may_follow_link(), which does the same for sticky directories only, and
// lets those pass that belong to whoever follows or to the owner of the directory.
// Tested by: tests/unit/pcapng/safe_path_test.cc, tests/cli/outputs.bats.

#pragma once

#include <cbpfc/result.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "kernel/unique_fd.h"

namespace xdpcap {

/// A name in a directory that is held.
class SafePlace {
 public:
  /// Walks `path` up to its last component, through links there, too; whether there is anything under
  /// that name is open.
  ///
  /// Errors: Errc::Permission, sys_errno 0 and a message that names link and directory: a link that may
  /// be anybody's.  Otherwise sys_errno says it and the message only repeats it: ENOENT, ENOTDIR and so on;
  /// EISDIR for a path that can only be a directory (it ends with "/", "." or ".."); ELOOP.
  static cbpfc::Result<SafePlace> find(const std::string& path);

  /// open(2); never follows a link but the kernel's own.  -1 with errno; ELOOP: there is a link now.
  UniqueFd open(int flags, mode_t mode = 0) const;
  /// stat(2) of what open() would open.  0, or -1 with errno.
  int status(struct stat& status) const;
  /// access(2) with the effective ids.  0, or -1 with errno.
  int access(int mode) const;

  /// The directory, opened with O_PATH, and the name in it.
  int directory_fd() const { return directory_.get(); }
  const std::string& name() const { return name_; }

 private:
  SafePlace(UniqueFd directory, std::string name, bool is_kernels_link);

  UniqueFd directory_;
  std::string name_;
  bool is_kernels_link_;  ///< a link in /proc
};

}  // namespace xdpcap
