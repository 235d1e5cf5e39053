// SPDX-License-Identifier: BSD-3-Clause
//
// FileSink: opening an output, saying why it cannot be opened, and taking it away again.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "pcapng/file_sink.h"

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
    case EINTR:
      return fail(Errc::Io, attempt + "interrupted while waiting for a reader of the named pipe",
                  error);
    default: return fail(Errc::Io, attempt + std::strerror(error), error);
  }
}

}  // namespace

FileSink::FileSink(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0) {
    return;
  }
  is_socket_ = S_ISSOCK(status.st_mode);
  is_regular_ = S_ISREG(status.st_mode);
  if (!is_regular_) {
    return;
  }
  const int flags = ::fcntl(fd_.get(), F_GETFL);
  const bool appends = flags >= 0 && (flags & O_APPEND) != 0;
  const off_t offset = appends ? status.st_size : ::lseek(fd_.get(), 0, SEEK_CUR);
  start_offset_bytes_ = offset > 0 ? static_cast<std::uint64_t>(offset) : 0;
}

Result<void> FileSink::check(const std::string& path) {
  const auto may = [](const std::string& name, int mode) {
    return ::faccessat(AT_FDCWD, name.c_str(), mode, AT_EACCESS) == 0;
  };
  struct stat status{};
  if (path == "-") {
    return {};
  }
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      return open_error(path, EISDIR);
    }
    if (!may(path, W_OK)) {
      return open_error(path, errno);
    }
    return {};
  }
  if (path.empty() || errno != ENOENT) {
    return open_error(path, errno);
  }
  if (::lstat(path.c_str(), &status) == 0) {
    return {};  // a link to nothing: open() creates what it names
  }
  const std::size_t slash = path.rfind('/', path.find_last_not_of('/'));
  if (!may(slash == std::string::npos ? "." : path.substr(0, slash + 1), W_OK | X_OK)) {
    return open_error(path, errno);
  }
  if (path.ends_with('/')) {
    return open_error(path, EISDIR);
  }
  return {};
}

Result<FileSink> FileSink::open(const std::string& path) {
  if (path == "-") {
    return standard_output();
  }
  // Exclusively first: whether the file was there before decides what remove_if_created() may do.
  bool is_new = true;
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.is_open() && errno == EEXIST) {
    is_new = false;
    fd.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  }
  if (!fd.is_open()) {
    return open_error(path, errno);
  }
  FileSink sink(std::move(fd), path);
  sink.empties_file_ = !is_new && sink.is_regular_;
  struct stat status{};
  if (is_new && sink.is_regular_ && ::fstat(sink.fd(), &status) == 0) {
    sink.created_ = Identity{.device = status.st_dev, .inode = status.st_ino};
  }
  return sink;
}

FileSink FileSink::standard_output() {
  // A duplicate keeps number 1 taken, so that nothing else that is opened becomes "standard
  // output".
  constexpr int kFirstFree = 3;
  return {UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, kFirstFree)), "-"};
}

void FileSink::remove_if_created() {
  struct stat status{};
  if (created_.has_value() && ::lstat(path_.c_str(), &status) == 0 &&
      status.st_dev == created_->device && status.st_ino == created_->inode) {
    ::unlink(path_.c_str());
  }
  created_.reset();
}

}  // namespace xdpcap
