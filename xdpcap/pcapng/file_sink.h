// SPDX-License-Identifier: BSD-3-Clause
//
// A capture's output: a file, or whatever standard output is.
//
//                          regular file                    pipe, socket, terminal, device
//     page boundary kept   4096 bytes                      none
//     a write(2) holds     all there is                    whole blocks, at most 4096 bytes of them
//     waits                never                           until there is room, or until told to
//     stop after an error       cut back to the last block      ends with the last block written
//
// A pipe takes at most PIPE_BUF (4096) bytes as one piece, so a reader of it, and whoever is left
// with what a killed capture wrote, sees whole blocks.  A block longer than that goes in pieces; if
// the output fails between two of them it ends inside the block, and the sink takes no more.
//
// Source: POSIX.1-2017 write(), pipes; Linux fs/pipe.c pipe_write(), pipe_poll().
// Tested by: xdpcap/tests/pcapng/file_sink_test.cc, sink_failure_test.cc, pipe_test.cc,
// full_disk_test.cc, kill_test.cc.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/safe_path.h"
#include "base/unique_fd.h"
#include "xdpcap/pcapng/byte_sink.h"

namespace xdpcap {

/// Writes to a descriptor; closes it silently when it goes without finish().
class FileSink final : public ByteSink {
 public:
  /// Creates the file at `path`, or opens the one there is; "-" is standard_output().
  ///
  /// A file that exists is emptied by the first write: a capture that never starts costs no old
  /// one.  A file that is created is the owner's alone, 0600 less the umask, or gets exactly the
  /// permissions `mode`; one that exists keeps its own.  Links are followed, and files that exist
  /// are taken, as safe_path.h says.  Never waits.
  /// Errors: Errc::NotFound, Permission (also: what others may have put there), InvalidArgument (a
  /// directory) or Io; sys_errno ENXIO: a named pipe that is not being read.
  static Result<FileSink> open(const std::string& path, std::optional<mode_t> mode = std::nullopt);

  /// Tells beforehand, without touching anything, what open() would most likely fail with when it is called by a
  /// user whom `trusted` names.
  /// Errors: as open().
  static Result<void> check(const std::string& path, const TrustedUsers& trusted = {});

  /// Takes a duplicate of standard output.  If that is closed, the first write says so.
  static FileSink standard_output();

  /// lock_output(), until finish(); before the first write, so that an old file is not emptied under its writer.
  /// Errors: also Errc::Busy if the file was deleted since it was opened.
  Result<bool> lock();

  /// While the output has no room, `fd` becoming readable ends the wait: write() then fails with
  /// sys_errno EINTR, half a second later at most, in which a reader that is merely slow can go on.
  /// Ownership: borrows `fd`.
  void set_stop_fd(int fd) { stop_fd_ = fd; }

  void set_while_waiting(std::function<void()> call) override { while_waiting_ = std::move(call); }

  /// Errors: Errc::Io with the write's errno; EPIPE: nobody reads any more; EINTR: see
  /// set_stop_fd(). The process has to ignore SIGPIPE, and SIGXFSZ where file sizes are limited.
  Result<void> write(std::span<const std::uint8_t> bytes) override;
  Result<void> finish() override;
  std::uint64_t written_bytes() const override { return written_bytes_; }
  std::uint32_t block_boundary_bytes() const override;
  std::uint64_t start_offset_bytes() const override { return start_offset_bytes_; }

  /// The descriptor, to be polled for a reader's going (POLLERR).
  int fd() const { return fd_.get(); }

  /// Deletes the file if open() created it and it is still where that was.
  void remove_if_created();

 private:
  /// A file that open() created, and where.
  struct Created {
    dev_t device;
    ino_t inode;
    SafePlace place;
  };

  FileSink(UniqueFd fd, std::string path);

  Result<void> write_regular(std::span<const std::uint8_t> bytes);
  Result<void> write_stream(std::span<const std::uint8_t> bytes);
  int write_piece(std::span<const std::uint8_t> piece, std::size_t& done_bytes) const;
  int wait_for_room() const;
  std::unexpected<Error> cut_back(std::span<const std::uint8_t> bytes, std::size_t done_bytes,
                                  int error);
  std::string display_name() const;
  std::unexpected<Error> write_error(int error, const std::string& consequence = {}) const;

  UniqueFd fd_;
  std::string path_;  ///< "-": standard output
  bool is_regular_ = false;
  bool is_socket_ = false;
  bool empties_file_ = false;  ///< the next write empties the file first
  bool had_name_ = false;      ///< a regular file that was in a directory when it was opened
  bool is_torn_ = false;       ///< the output ends inside a block
  int stop_fd_ = -1;
  std::function<void()> while_waiting_;
  std::uint64_t start_offset_bytes_ = 0;
  std::uint64_t written_bytes_ = 0;
  std::optional<Created> created_;
};

}  // namespace xdpcap
