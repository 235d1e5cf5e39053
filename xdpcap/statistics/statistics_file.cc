// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/statistics/statistics_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/file_io.h"
#include "base/text.h"

namespace xdpcap {
namespace {

constexpr mode_t kMostMode = 0644;

}  // namespace

std::unexpected<Error> StatisticsFile::failure(std::string_view attempt, const Error& error) const {
  // An error without errno has its words already.
  return error.sys_errno != 0
             ? failure(attempt, error.sys_errno)
             : fail(error.code, fmt::format("{} {}: {}", attempt, path_, error.message));
}

std::unexpected<Error> StatisticsFile::failure(std::string_view attempt, int error_number) const {
  const bool is_permission = is_refused_by_directory(error_number);
  return fail(is_permission ? Errc::Permission : Errc::Io,
              fmt::format("{} {}: {}{}", attempt, path_, errno_text(error_number),
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
  for (int i = 0; i < kTries; ++i) {
    temporary = TRY(place_.name_beside());
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
    return is_refused_by_directory(created.error().sys_errno) && write_over(text)
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
  const int error_number = write_all(fd, text);
  return error_number == 0 ? Result<void>{} : failure("write to", error_number);
}

}  // namespace xdpcap
