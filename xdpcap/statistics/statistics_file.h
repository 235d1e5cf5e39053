// SPDX-License-Identifier: BSD-3-Clause
//
// The file in which the numbers of a running capture stand: it is replaced once a second.
//
//     StatisticsFile file = TRY(StatisticsFile::find(path));    // with all privileges
//     ... privileges are given up ...
//     TRY(file.replace(text));                                  // now and then
//
// Its directory is held from the start, and all that happens later happens in it: a new file is written under another
// name and renamed to its place, so that a reader sees the old file or the new one.  No other path is opened, so that
// a capture that was taken over cannot open any.  A file that cannot be replaced, since something is mounted there (as
// in a container) or its directory takes no new file, is written over.
//
// Others may write to the directory, too.  What they can do there is to stop the updates, by a directory under the
// file's name; they do not make us write elsewhere, or wait, or leave a file that they may write to:
//
//     the other name       has random digits, is made anew (O_EXCL), and is another one if there is such a file
//     links, pipes         under the file's name are replaced like a file; only a regular file is written over, if
//                          it is ours (base/safe_path.h)
//     mode                 0644 less the umask, or the old file's less what lets group and others write
//
// Limits: a process that is killed between two system calls leaves the file of the other name.  A directory that is
// moved is followed; one that is deleted and made anew is not noticed.
// Tested by: xdpcap/tests/command/statistics_file_test.cc, xdpcap/tests/kernel/end_to_end/statistics_test.cc.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/safe_path.h"

namespace xdpcap {

class StatisticsFile {
 public:
  /// Finds the place of the file; touches nothing.
  /// Errors: Errc::NotFound, Permission, Io; InvalidArgument for what is there and not a regular file.
  static Result<StatisticsFile> find(const std::string& path, const TrustedUsers& trusted);

  /// Puts a file with `text` in the place of the one that is there.  Waits for nothing but the file system.
  /// Errors: Errc::Permission or Io, naming the path.
  Result<void> replace(std::string_view text) const;

  /// Its directory, opened with O_PATH.
  int directory_fd() const { return place_.directory_fd(); }

 private:
  StatisticsFile(std::string path, SafePlace place)
      : path_(std::move(path)), place_(std::move(place)) {}

  Result<UniqueFd> create(std::string& temporary) const;
  Result<void> write_over(std::string_view text) const;
  Result<void> write(int fd, std::string_view text) const;
  std::unexpected<Error> failure(std::string_view attempt, const Error& error) const;
  std::unexpected<Error> failure(std::string_view attempt, int error_number) const;

  std::string path_;  ///< for messages
  SafePlace place_;
  std::optional<mode_t> mode_;  ///< of the old file; nullopt: as the umask has it
};

}  // namespace xdpcap
