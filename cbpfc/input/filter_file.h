// SPDX-License-Identifier: BSD-3-Clause
//
// The file of -F, from which a running capture may read another filter.
//
//     FilterFile file = TRY(FilterFile::find(path, trusted));   // with all privileges
//     std::string text = TRY(file.read());                      // before signals are blocked
//     ... privileges are given up ...
//     text = TRY(file.read_again());                            // on SIGUSR2
//
// Its directory is held from the start, and what is read later is read there: the file of the name that was given, a
// new one that was renamed to it, or where a link of that name leads in the directory and below it (as in a volume of
// Kubernetes, where a file is a link through a link that is replaced).  No other path is opened.  Links are followed
// as base/safe_path.h says.
//
// The first time it may be anything that can be read, as a pipe of the shell; a signal ends a wait and the process.
// Later signals are blocked, so only a regular file is read, and nothing is waited for: a named pipe in its place
// would make the capture deaf.
//
// Limits: a file system that does not answer (NFS, FUSE) is waited for, by the thread that reads.
// Tested by: cbpfc/tests/command/filter_file_test.cc, xdpcap/tests/kernel/end_to_end/reload_test.cc.

#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/safe_path.h"

namespace xdpcap {

class FilterFile {
 public:
  /// Finds the file and holds its directory; "-" is standard input.  Reads nothing.
  /// Errors: Errc::NotFound, Permission, Io, naming the file.
  static Result<FilterFile> find(const std::string& path, const TrustedUsers& trusted);

  /// All of it.
  /// Errors: those of find(); TooLarge.
  Result<std::string> read() const;
  /// What it has now.
  /// Errors: those of read(); Unsupported if it was not a regular file in the first place; InvalidArgument if it is
  /// not one now.
  Result<std::string> read_again() const;

  bool can_be_read_again() const { return held_.has_value(); }
  /// The directory, opened with O_PATH; -1 if it cannot be read again.
  int directory_fd() const { return held_ ? held_->directory_fd() : -1; }
  /// As messages call it.
  const std::string& name() const { return name_; }

 private:
  explicit FilterFile(std::string name) : name_(std::move(name)) {}

  std::string name_;
  std::optional<SafePlace> first_;  ///< where it was in the beginning; nullopt: standard input
  std::optional<SafePlace> held_;   ///< the name that was given, be it a link
};

}  // namespace xdpcap
