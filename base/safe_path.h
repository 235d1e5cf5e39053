// SPDX-License-Identifier: BSD-3-Clause
//
// Finding the place of a file without going through links that others may have put there.
//
// A capture runs as root, and its output is often in /tmp or in the directory of another user.  There, others may
// put a symbolic link under the name that is going to be written, or under that of a directory on the way, and have
// root overwrite any file of the machine; or a file or named pipe of their own, and get the packets.  Hence, in a
// directory that belongs to another user than root and the one we are, or that a group or everybody may write to,
//
//     no link is followed,
//     what is there already is written to only if it is a regular file or a named pipe, belongs to root
//     or to the user we are, and has no second name (hard link) elsewhere,
//
// sticky or not, whatever the kernel's fs.protected_symlinks, fs.protected_regular and the like say.  The same holds
// for what is below such a directory, since others may replace what is in it; only a sticky one keeps what is ours.
//
//     /var/run/out.pcap      var/run is a link in /var, which is root's: followed by hand, to /run/out.pcap
//     /tmp/out.pcap          a link, and everybody may write to /tmp: refused
//     /tmp/mine/out.pcap     a link in a directory of one's own in a sticky one: followed
//     /home/user/out.pcap    a link, and we are root: refused
//     /dev/stdout            links of /dev and /proc, up to /proc/self/fd/1: the kernel has to follow that
//
// The path is walked component by component.  Each directory is held by a descriptor, each link is read
// through one, so what was looked at is what is used, whoever changes names meanwhile.  The last
// component is opened in its directory with O_NOFOLLOW.
//
// Links in /proc lead to open files, which may have no name, so reading them does not help; they are the
// kernel's own, and processes of other users have theirs in directories that belong to these users.
//
// Cost: three or four system calls a component, once a file.
// Limits: of a relative path, what is above the current directory is trusted, as are the owners and modes that a file
// system tells, also one that another user has mounted for all (FUSE with allow_other).
// Source: Linux v6.18 fs/namei.c may_follow_link(), may_create_in_sticky(), which do the same for sticky directories
// only, and trust the owner of the directory.
// Tested by: xdpcap/tests/pcapng/safe_path_test.cc, xdpcap/tests/pcapng/shared_place_test.cc, xdpcap/tests/cli/outputs.bats.

#pragma once

#include <cbpfc/result.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/unique_fd.h"

namespace xdpcap {

/// Whose links and files are taken for ours: root's, the effective user's, and those of `also`, the user that this
/// process is going to be.
struct TrustedUsers {
  std::optional<uid_t> also = {};

  bool contain(uid_t uid) const;
};

/// What is done with a link under the last name of a path.
enum class LastLink : std::uint8_t { Followed, Kept };

/// A name in a directory that is held.
class SafePlace {
 public:
  /// Walks `path` up to its last component, through links there, too; whether there is anything under
  /// that name is open.
  ///
  /// Errors: Errc::Permission, sys_errno 0 and a message that names link and directory: a link that others may have
  /// put there.  Otherwise sys_errno says it and the message only repeats it: ENOENT, ENOTDIR and so on;
  /// EISDIR for a path that can only be a directory (it ends with "/", "." or ".."); ELOOP.
  static cbpfc::Result<SafePlace> find(const std::string& path, const TrustedUsers& trusted = {},
                                       LastLink last_link = LastLink::Followed);

  /// Where the link that is there now leads, in this directory or below; this place, if there is none.
  /// Opens no path but relative to the directory.
  /// Errors: those of find(); sys_errno 0 and a message for a link that leads out of it.
  cbpfc::Result<SafePlace> follow() const;

  /// Opens what is there already, if check() has nothing against it.  With O_NONBLOCK in `flags` it never waits, be
  /// it for a reader of a named pipe (then ENXIO); what is opened waits all the same.
  /// Errors: those of check(); otherwise sys_errno of open(2), of which the message is only the text.
  cbpfc::Result<UniqueFd> open_existing(int flags) const;
  /// Whether what is there, with this status, may be written to: see above.
  /// Errors: Errc::Permission, sys_errno 0 and a message that says why not; sys_errno EISDIR.
  cbpfc::Result<void> check(const struct stat& status) const;

  /// open(2); never follows a link but the kernel's own.  -1 with errno; ELOOP: there is a link now.
  UniqueFd open(int flags, mode_t mode = 0) const;
  /// stat(2) of what open() would open.  0, or -1 with errno.
  int status(struct stat& status) const;
  /// access(2) with the effective ids.  0, or -1 with errno.
  int access(int mode) const;

  /// A name in the directory, for what is to be renamed to this one, that no other process uses, nor one that has died.
  /// Errors: those of random_digits().
  cbpfc::Result<std::string> name_beside() const;

  /// The directory, opened with O_PATH, and the name in it.
  int directory_fd() const { return directory_.get(); }
  const std::string& name() const { return name_; }
  /// Whether it is one of the kernel's links, to a file that is open.
  bool is_kernels_link() const { return is_kernels_link_; }

 private:
  SafePlace(UniqueFd directory, std::string name);

  UniqueFd directory_;
  std::string name_;
  TrustedUsers trusted_;
  std::string others_;  ///< who else may put files there, in words; empty if no one else may
  bool is_kernels_link_ = false;  ///< a link in /proc
};

}  // namespace xdpcap
