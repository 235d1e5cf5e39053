// SPDX-License-Identifier: BSD-3-Clause
//
// FileSink: opening an output, saying why it cannot be opened, and taking it away again.

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/file_io.h"
#include "base/output_lock.h"
#include "base/text.h"
#include "xdpcap/pcapng/file_sink.h"

namespace xdpcap {
namespace {

std::unexpected<Error> open_error(const std::string& path, int error) {
  const std::string attempt = fmt::format("create output file {}: ", path);
  switch (error) {
    case ENOENT:
      return fail(
          Errc::NotFound,
          attempt + (path.empty() ? "the name is empty; give a name, or - for standard output"
                                  : "a directory in its path does not exist; create it first"),
          error);
    case ENOTDIR:
      return fail(Errc::NotFound,
                  attempt + "something in its path is not a directory; check the path", error);
    case EISDIR:
      return fail(Errc::InvalidArgument,
                  attempt + "it is a directory; give the name of a file in it", error);
    case EROFS:
      return fail(Errc::Permission,
                  attempt + "the file system is mounted read-only; choose another place", error);
    case EACCES:
    case EPERM:
      return fail(Errc::Permission,
                  attempt +
                      "no permission to write there; choose another place or change the "
                      "permissions of the file or its directory",
                  error);
    case ENOSPC:
    case EDQUOT:
      return fail(Errc::Io, attempt + "no space is left there; free some or choose another place",
                  error);
    case ELOOP:
      return fail(Errc::InvalidArgument,
                  attempt +
                      "symbolic links in its path lead in a circle, or one was put there just "
                      "now; check the path",
                  error);
    case ENXIO:
      return fail(Errc::Io,
                  attempt +
                      "it is a named pipe that is not being read, or no file at all; start "
                      "the reader first, or choose another place",
                  error);
    default: return fail(Errc::Io, attempt + errno_text(error), error);
  }
}

/// Of a path that could not be walked.
std::unexpected<Error> open_error(const std::string& path, const Error& error) {
  if (error.sys_errno == 0) {
    return fail(error.code, fmt::format("create output file {}: {}", path, error.message));
  }
  return open_error(path, error.sys_errno);
}

/// What FileSink creates until somebody says otherwise: packets are nobody else's business.
constexpr mode_t kUsualMode = 0600;

}  // namespace

FileSink::FileSink(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {
  struct stat status{};
  if (!file_status(fd_.get(), status)) {
    return;
  }
  is_socket_ = S_ISSOCK(status.st_mode);
  is_regular_ = S_ISREG(status.st_mode);
  if (!is_regular_) {
    return;
  }
  had_name_ = status.st_nlink > 0;
  const int flags = ::fcntl(fd_.get(), F_GETFL);
  const bool appends = flags >= 0 && (flags & O_APPEND) != 0;
  const off_t offset = appends ? status.st_size : ::lseek(fd_.get(), 0, SEEK_CUR);
  start_offset_bytes_ = offset > 0 ? static_cast<std::uint64_t>(offset) : 0;
}

Result<void> FileSink::check(const std::string& path, const TrustedUsers& trusted) {
  if (path == "-") {
    return {};
  }
  const Result<SafePlace> place = SafePlace::find(path, trusted);
  if (!place) {
    return open_error(path, place.error());
  }
  struct stat status{};
  if (place->status(status) == 0) {
    if (const Result<void> fit = place->check(status); !fit) {
      return open_error(path, fit.error());
    }
    return place->access(W_OK) == 0 ? Result<void>{} : open_error(path, errno);
  }
  if (errno != ENOENT || ::faccessat(place->directory_fd(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return open_error(path, errno);
  }
  return {};
}

Result<FileSink> FileSink::open(const std::string& path, std::optional<mode_t> mode) {
  if (path == "-") {
    return standard_output();
  }
  Result<SafePlace> place = SafePlace::find(path);
  if (!place) {
    return open_error(path, place.error());
  }
  // Exclusively first: whether the file was there before decides what remove_if_created() may do.
  bool is_new = true;
  UniqueFd fd = place->open(O_WRONLY | O_CREAT | O_EXCL, kUsualMode);
  if (!fd.is_open() && errno != EEXIST) {
    return open_error(path, errno);
  }
  if (!fd.is_open()) {
    is_new = false;
    Result<UniqueFd> existing = place->open_existing(O_WRONLY | O_NONBLOCK | O_NOCTTY);
    if (!existing) {
      return open_error(path, existing.error());
    }
    fd = *std::move(existing);
  }
  FileSink sink(std::move(fd), path);
  sink.empties_file_ = !is_new && sink.is_regular_;
  struct stat status{};
  if (is_new && sink.is_regular_ && file_status(sink.fd(), status)) {
    sink.created_ =
        Created{.device = status.st_dev, .inode = status.st_ino, .place = *std::move(place)};
  }
  // Not by open(2), which takes the umask off.
  if (is_new && mode && ::fchmod(sink.fd(), *mode) != 0) {
    const int error = errno;
    sink.remove_if_created();
    return fail(Errc::Io,
                fmt::format("create output file {}: give it the mode {:04o}: {}; leave -mode out",
                            path, *mode, errno_text(error)),
                error);
  }
  return sink;
}

FileSink FileSink::standard_output() {
  // A duplicate keeps number 1 taken, so that nothing else that is opened becomes "standard
  // output".
  constexpr int kFirstFree = 3;
  return {UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, kFirstFree)), "-"};
}

Result<bool> FileSink::lock() {
  if (!fd_.is_open()) {
    return true;
  }
  const bool is_locked = TRY(lock_output(fd(), display_name()));
  // The capture that created the file may have removed it, for it could not begin, between our open() and here.
  struct stat status{};
  if (had_name_ && file_status(fd(), status) && status.st_nlink == 0) {
    return fail(
        Errc::Busy,
        fmt::format("write to {}: it was deleted the moment it was opened; start again", path_));
  }
  return is_locked;
}

void FileSink::remove_if_created() {
  struct stat status{};
  if (created_ && created_->place.status(status) == 0 && status.st_dev == created_->device &&
      status.st_ino == created_->inode) {
    ::unlinkat(created_->place.directory_fd(), created_->place.name().c_str(), 0);
  }
  created_.reset();
}

}  // namespace xdpcap
