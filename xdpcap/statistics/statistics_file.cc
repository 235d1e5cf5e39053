// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/statistics/statistics_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/random.h"

namespace xdpcap {
namespace {

constexpr mode_t kMostMode = 0644;

bool is_permission(int error_number) {
  return error_number == EACCES || error_number == EPERM || error_number == EROFS;
}

/// Whether a new file cannot be had, but one that is there may be written to all the same.
bool is_refused_by_directory(const Error& error) {
  return is_permission(error.sys_errno);
}

}  // namespace

std::unexpected<Error> StatisticsFile::failure(std::string_view attempt, const Error& error) const {
  // An error without errno has its words already.
  return error.sys_errno != 0
             ? failure(attempt, error.sys_errno)
             : fail(error.code, fmt::format("{} {}: {}", attempt, path_, error.message));
}

std::unexpected<Error> StatisticsFile::failure(std::string_view attempt, int error_number) const {
  const bool is_permission = xdpcap::is_permission(error_number);
  return fail(is_permission ? Errc::Permission : Errc::Io,
              fmt::format("{} {}: {}{}", attempt, path_, std::strerror(error_number),
                          is_permission
                              ? fmt::format("; a running capture is user {} without capabilities, "
                                            "and needs a directory in which this user may "
                                            "create files; see also -Z",
                                            ::geteuid())
                              : ""),
              error_number);
}

Result<StatisticsFile> StatisticsFile::find(const std::string& path, const TrustedUsers& trusted) {
  Result<SafePlace> place = SafePlace::find(path, trusted);
  if (!place) {
    const Error& error = place.error();
    return fail(error.sys_errno == ENOENT ? Errc::NotFound : error.code,
                fmt::format("create {}: {}", path, error.message), error.sys_errno);
  }
  StatisticsFile file(path, *std::move(place));
  struct stat status{};
  if (file.place_.status(status) == 0) {
    if (!S_ISREG(status.st_mode)) {
      return fail(Errc::InvalidArgument,
                  fmt::format("create {}: there is something that is not a regular file; choose "
                              "another name, or remove it",
                              path));
    }
    if (const Result<void> fit = file.place_.check(status); !fit) {
      return file.failure("create", fit.error());
    }
    file.mode_ = status.st_mode & kMostMode;
  }
  return file;
}

/// A file under another name in the directory.
Result<UniqueFd> StatisticsFile::create(std::string& temporary) const {
  constexpr int kTries = 10;
  constexpr std::size_t kMostOfName = 200;  // bytes, of the 255 that a name may have
  for (int i = 0; i < kTries; ++i) {
    temporary = fmt::format(".{}.{}", place_.name().substr(0, kMostOfName), TRY(random_digits()));
    UniqueFd fd(::openat(place_.directory_fd(), temporary.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMostMode));
    if (fd.is_open()) {
      return fd;
    }
    if (errno != EEXIST) {
      break;
    }
  }
  return failure("create", errno);
}

Result<void> StatisticsFile::replace(std::string_view text) const {
  std::string temporary;
  const Result<UniqueFd> created = create(temporary);
  if (!created) {
    // What is said is why there can be no new file: the better of the two ways.
    return is_refused_by_directory(created.error()) && write_over(text)
               ? Result<void>{}
               : std::unexpected(created.error());
  }
  Result<void> written = write(created->get(), text);
  if (written && mode_ && ::fchmod(created->get(), *mode_) != 0) {
    written = failure("set the mode of", errno);
  }
  const int directory = place_.directory_fd();
  if (written && ::renameat(directory, temporary.c_str(), directory, place_.name().c_str()) == 0) {
    return {};
  }
  const int error_number = errno;
  ::unlinkat(directory, temporary.c_str(), 0);
  if (!written) {
    return written;
  }
  return error_number == EBUSY ? write_over(text) : failure("replace", error_number);
}

Result<void> StatisticsFile::write_over(std::string_view text) const {
  const Result<UniqueFd> opened = place_.open_existing(O_WRONLY | O_NONBLOCK | O_NOCTTY);
  if (!opened) {
    return failure("write to", opened.error());
  }
  // Fails for what is not a regular file.
  if (::ftruncate(opened->get(), 0) != 0) {
    return failure("write to", errno);
  }
  return write(opened->get(), text);
}

Result<void> StatisticsFile::write(int fd, std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return failure("write to", written == 0 ? EIO : errno);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace xdpcap
