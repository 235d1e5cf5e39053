// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/input/filter_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/file_io.h"
#include "cbpfc/input/filter_text.h"

namespace xdpcap {
namespace {

std::unexpected<Error> failure(const std::string& name, const Error& error) {
  return error.sys_errno != 0 ? command::read_error(name, error.sys_errno)
                              : fail(error.code, fmt::format("read {}: {}", name, error.message));
}

std::unexpected<Error> not_regular(const std::string& name) {
  return fail(Errc::InvalidArgument,
              fmt::format("read {}: it is not a regular file, as it has to be for a capture that "
                          "is running",
                          name));
}

}  // namespace

Result<FilterFile> FilterFile::find(const std::string& path, const TrustedUsers& trusted) {
  FilterFile file(command::input_name(path));
  if (path == "-") {
    return file;
  }
  Result<SafePlace> first = SafePlace::find(path, trusted);
  if (!first) {
    return failure(path, first.error());
  }
  file.first_ = *std::move(first);
  struct stat status{};
  if (file.first_->status(status) != 0) {
    return command::read_error(path, errno);
  }
  if (S_ISREG(status.st_mode) && !file.first_->is_kernels_link()) {
    Result<SafePlace> held = SafePlace::find(path, trusted, LastLink::Kept);
    if (!held) {
      return failure(path, held.error());
    }
    file.held_ = *std::move(held);
  }
  return file;
}

Result<std::string> FilterFile::read() const {
  if (!first_) {
    return command::read_all(STDIN_FILENO, name_);
  }
  const UniqueFd fd = first_->open(O_RDONLY | O_NOCTTY);
  return fd.is_open() ? command::read_all(fd.get(), name_) : command::read_error(name_, errno);
}

Result<std::string> FilterFile::read_again() const {
  if (!held_) {
    return fail(Errc::Unsupported, fmt::format("{} cannot be read again", name_));
  }
  const Result<SafePlace> place = held_->follow();
  if (!place) {
    return failure(name_, place.error());
  }
  struct stat status{};
  if (place->status(status) != 0) {
    return command::read_error(name_, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return not_regular(name_);
  }
  const UniqueFd fd = place->open(O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd.is_open() || !file_status(fd.get(), status)) {
    const int error = errno;
    std::unexpected<Error> failed = command::read_error(name_, error);
    if (error == EACCES) {
      failed.error().message += fmt::format(
          "; a running capture reads what user {} may read without capabilities", ::geteuid());
    }
    return failed;
  }
  return S_ISREG(status.st_mode) ? command::read_all(fd.get(), name_)
                                 : Result<std::string>(not_regular(name_));
}

}  // namespace xdpcap
