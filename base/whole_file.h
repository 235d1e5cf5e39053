// SPDX-License-Identifier: BSD-3-Clause
//
// An output that is there whole or not at all.
//
//     WholeFile file = TRY(WholeFile::create("filter.o"));
//     TRY(file.write(bytes));
//     TRY(file.commit());             // now, and only now, filter.o is there, or is the new one
//
// A regular file is written without a name, gets one beside its place, and is renamed to it: whoever
// reads the place sees the old file or the new one, also when this program is killed.  (On file
// systems that have no files without name it has that other name from the start.)  What is no
// regular file, a pipe or a terminal, is written directly.
//
// An old file that cannot be replaced is written over: at the end if something is mounted there, as in a
// container, and from the first byte if its directory takes no new file.  The old bytes go with the first new
// ones, and one process at a time writes there (base/output_lock.h).
//
// rename(2) replaces the name it is given, be that a link, and never what a link leads to; but the link
// of an old file stays and its file is replaced, so one that others may have put there could choose the
// file; and the new file has the mode of the old one, which may be one that others have made so that they can write
// to its successor.  Hence links are followed, and old files are taken, as base/safe_path.h says, and everything
// happens in the directory that was found.  The other name ends in random digits, so what a killed process left there stops no later one.
//
// Source: Linux open(2), O_TMPFILE; rename(2).
// Tested by: base/tests/whole_file_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/safe_path.h"
#include "base/unique_fd.h"

namespace command {

class WholeFile {
 public:
  /// Prepares to write `path`; "-" is standard output.
  /// Errors: Errc::Io, Permission (also: what others may have put there), NotFound, InvalidArgument (a
  /// directory), naming the path.
  static cbpfc::Result<WholeFile> create(const std::string& path);

  WholeFile(WholeFile&& other) noexcept;
  WholeFile& operator=(WholeFile&&) = delete;
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;
  /// Leaves no trace of a file that was not committed.
  ~WholeFile();

  /// Errors: Errc::Io, naming the path, with the errno.
  cbpfc::Result<void> write(std::span<const std::uint8_t> bytes);
  cbpfc::Result<void> write(std::string_view text);

  /// Puts the file in its place.
  /// Errors: Errc::Io, naming the path.
  cbpfc::Result<void> commit();

  /// For who writes by other means, before commit().
  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }

 private:
  explicit WholeFile(std::string name);

  cbpfc::Result<void> open_beside();
  cbpfc::Result<void> open_in_place();
  cbpfc::Result<void> drop_old_bytes();
  cbpfc::Result<void> write_over();
  std::unexpected<cbpfc::Error> failure(std::string_view attempt, int error_number) const;
  std::unexpected<cbpfc::Error> failure(std::string_view attempt, const cbpfc::Error& error) const;

  xdpcap::UniqueFd fd_;
  std::string name_;                        ///< for messages
  std::optional<xdpcap::SafePlace> place_;  ///< where it goes; nullopt: it is there already
  bool has_old_bytes_ = false;              ///< it is there already, and is to be emptied first
  std::string temporary_;                   ///< its name there until then; empty: it has none
};

}  // namespace command
