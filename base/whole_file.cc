// SPDX-License-Identifier: BSD-3-Clause

#include "base/whole_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/file_io.h"
#include "base/output_lock.h"
#include "base/text.h"

namespace command {

using cbpfc::Errc;
using cbpfc::Error;
using cbpfc::Result;
using xdpcap::SafePlace;
using xdpcap::UniqueFd;

namespace {

constexpr mode_t kUsualMode = 0666;  // less the umask

Errc code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: return Errc::NotFound;
    case EACCES:
    case EPERM:
    case EROFS: return Errc::Permission;
    case EISDIR: return Errc::InvalidArgument;
    default: return Errc::Io;
  }
}

}  // namespace

WholeFile::WholeFile(std::string name) : name_(std::move(name)) {}

WholeFile::WholeFile(WholeFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      name_(std::move(other.name_)),
      place_(std::exchange(other.place_, std::nullopt)),
      has_old_bytes_(other.has_old_bytes_),
      temporary_(std::exchange(other.temporary_, {})) {}

WholeFile::~WholeFile() {
  if (!temporary_.empty()) {
    ::unlinkat(place_->directory_fd(), temporary_.c_str(), 0);
  }
}

std::unexpected<cbpfc::Error> WholeFile::failure(std::string_view attempt, int error_number) const {
  return cbpfc::fail(code_of(error_number),
                     fmt::format("{} {}: {}", attempt, name_, xdpcap::errno_text(error_number)),
                     error_number);
}

/// Of a place that could not be found, or of what is there.
std::unexpected<Error> WholeFile::failure(std::string_view attempt, const Error& error) const {
  return error.sys_errno != 0
             ? failure(attempt, error.sys_errno)
             : cbpfc::fail(error.code, fmt::format("{} {}: {}", attempt, name_, error.message));
}

Result<WholeFile> WholeFile::create(const std::string& path) {
  if (path == "-") {
    WholeFile file("standard output");
    constexpr int kFirstFree = 3;  // 0, 1 and 2 keep their meaning
    file.fd_.reset(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, kFirstFree));
    if (!file.fd_.is_open()) {
      return file.failure("write to", errno);
    }
    return file;
  }
  WholeFile file(path);
  Result<SafePlace> place = SafePlace::find(path);
  if (!place) {
    return file.failure("create", place.error());
  }
  struct stat status{};
  const bool exists = place->status(status) == 0;
  if (exists) {
    if (const Result<void> fit = place->check(status); !fit) {
      return file.failure("create", fit.error());
    }
  }
  if (exists && !S_ISREG(status.st_mode)) {
    Result<UniqueFd> opened = place->open_existing(O_WRONLY);
    if (!opened) {
      return file.failure("open", opened.error());
    }
    file.fd_ = *std::move(opened);
    return file;
  }
  if (exists && place->access(W_OK) != 0) {
    return file.failure("replace", errno);  // rename() would not ask the file
  }
  file.place_ = *std::move(place);
  if (const Result<void> beside = file.open_beside(); !beside) {
    if (!exists || !xdpcap::is_refused_by_directory(beside.error().sys_errno)) {
      return std::unexpected(beside.error());
    }
    TRY(file.open_in_place());
    file.place_.reset();
    return file;
  }
  if (exists) {
    // As well as it can be had; a set-user-ID bit was for the old contents.
    ::fchmod(file.fd(), status.st_mode & 0777);
  }
  return file;
}

Result<void> WholeFile::open_in_place() {
  Result<UniqueFd> opened = place_->open_existing(O_WRONLY);
  if (!opened) {
    return failure("open", opened.error());
  }
  fd_ = *std::move(opened);
  TRY(xdpcap::lock_output(fd_.get(), name_));
  has_old_bytes_ = true;
  return {};
}

Result<void> WholeFile::open_beside() {
  const int directory = place_->directory_fd();
  fd_.reset(::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kUsualMode));
  if (fd_.is_open()) {
    return {};
  }
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
    return failure("create", errno);
  }
  const std::string temporary = TRY(place_->name_beside());
  fd_.reset(
      ::openat(directory, temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kUsualMode));
  if (!fd_.is_open()) {
    return failure("create", errno);
  }
  temporary_ = temporary;
  return {};
}

Result<void> WholeFile::drop_old_bytes() {
  if (std::exchange(has_old_bytes_, false) && ::ftruncate(fd_.get(), 0) != 0) {
    return failure("write to", errno);
  }
  return {};
}

Result<void> WholeFile::write(std::span<const std::uint8_t> bytes) {
  TRY(drop_old_bytes());
  std::size_t done_bytes = 0;
  const int error_number = xdpcap::write_all(fd_.get(), bytes, done_bytes);
  return error_number == 0 ? Result<void>{} : failure("write to", error_number);
}

Result<void> WholeFile::write(std::string_view text) {
  // Bytes of a character type may be looked at as bytes of another.
  return write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

Result<void> WholeFile::commit() {
  if (!place_) {
    return drop_old_bytes();
  }
  const int directory = place_->directory_fd();
  if (temporary_.empty()) {
    const std::string temporary = TRY(place_->name_beside());
    const std::string unnamed = fmt::format("/proc/self/fd/{}", fd_.get());
    if (::linkat(AT_FDCWD, unnamed.c_str(), directory, temporary.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return failure("give its name to", errno);
    }
    temporary_ = temporary;
  }
  if (::renameat(directory, temporary_.c_str(), directory, place_->name().c_str()) != 0) {
    return errno == EBUSY ? write_over() : failure("replace", errno);  // a mount point
  }
  temporary_.clear();
  place_.reset();
  return {};
}

Result<void> WholeFile::write_over() {
  const UniqueFd whole = std::move(fd_);
  TRY(open_in_place());
  TRY(drop_old_bytes());
  off_t offset = 0;
  constexpr std::size_t kAtOnce = std::size_t{1} << 30;
  while (const ssize_t copied = ::sendfile(fd_.get(), whole.get(), &offset, kAtOnce)) {
    if (copied < 0 && errno != EINTR) {
      return failure("write to", errno);
    }
  }
  return {};
}

}  // namespace command
