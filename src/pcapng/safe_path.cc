// SPDX-License-Identifier: BSD-3-Clause

#include "pcapng/safe_path.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace xdpcap {

using cbpfc::Errc;
using cbpfc::Error;
using cbpfc::fail;
using cbpfc::Result;

namespace {

/// As many as the kernel follows.
constexpr int kMostLinks = 40;

std::unexpected<Error> failure(int error) {
  return fail(Errc::Io, std::strerror(error), error);
}

bool is_in_proc(int fd) {
  struct statfs system{};
  return ::fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

bool is_link(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 && S_ISLNK(status.st_mode);
}

Result<std::string> target_of(int link_fd) {
  std::array<char, PATH_MAX> target{};
  const ssize_t length = ::readlinkat(link_fd, "", target.data(), target.size());
  if (length < 0) {
    return failure(errno);
  }
  if (length == 0 || static_cast<std::size_t>(length) == target.size()) {
    return failure(length == 0 ? ENOENT : ENAMETOOLONG);
  }
  return std::string(target.data(), static_cast<std::size_t>(length));
}

/// The walk: a directory, and what is left of the path from there.
class Walk {
 public:
  explicit Walk(std::string path) : left_(std::move(path)) {}

  Result<void> begin() {
    if (left_.empty()) {
      return failure(ENOENT);
    }
    return enter_start();
  }

  /// Takes the next component off the path; false: it was the last, and is in name().
  Result<bool> step() {
    const std::size_t begin = left_.find_first_not_of('/');
    if (begin == std::string::npos) {
      return failure(EISDIR);
    }
    const std::size_t end = left_.find('/', begin);
    name_ = left_.substr(begin, end - begin);
    left_ = end == std::string::npos ? std::string() : left_.substr(end);
    if (left_.empty()) {
      return last();
    }
    if (left_.find_first_not_of('/') == std::string::npos) {
      return failure(EISDIR);
    }
    return enter();
  }

  UniqueFd take_directory() { return std::move(directory_); }
  const std::string& name() const { return name_; }
  bool is_kernels_link() const { return is_kernels_link_; }

 private:
  static constexpr int kFlags = O_PATH | O_CLOEXEC;

  Result<void> enter_start() {
    const bool is_absolute = left_.starts_with('/');
    if (is_absolute || !directory_.is_open()) {
      directory_.reset(::open(is_absolute ? "/" : ".", kFlags | O_DIRECTORY));
      shown_ = is_absolute ? "/" : "";
    }
    return directory_.is_open() ? Result<void>{} : failure(errno);
  }

  /// Goes into the directory `name_`, or through the link of that name.
  Result<bool> enter() {
    // As a directory first: only that mounts what is mounted when it is used.
    UniqueFd next(::openat(directory_.get(), name_.c_str(), kFlags | O_DIRECTORY | O_NOFOLLOW));
    if (!next.is_open() && errno == ENOTDIR) {
      const UniqueFd link(::openat(directory_.get(), name_.c_str(), kFlags | O_NOFOLLOW));
      if (!link.is_open()) {
        return failure(errno);
      }
      if (!is_link(link.get())) {
        return failure(ENOTDIR);
      }
      if (!is_in_proc(link.get())) {
        return follow(link.get());
      }
      next.reset(::openat(directory_.get(), name_.c_str(), kFlags | O_DIRECTORY));
    }
    if (!next.is_open()) {
      return failure(errno);
    }
    directory_ = std::move(next);
    shown_ += name_ + "/";
    return true;
  }

  Result<bool> last() {
    if (name_ == "." || name_ == "..") {
      return failure(EISDIR);
    }
    const UniqueFd there(::openat(directory_.get(), name_.c_str(), kFlags | O_NOFOLLOW));
    if (!there.is_open()) {
      return errno == ENOENT ? Result<bool>(false) : failure(errno);
    }
    if (!is_link(there.get())) {
      return false;
    }
    is_kernels_link_ = is_in_proc(there.get());
    return is_kernels_link_ ? Result<bool>(false) : follow(there.get());
  }

  /// Puts what the link says in the place of its name.
  Result<bool> follow(int link_fd) {
    struct stat status{};
    if (::fstat(directory_.get(), &status) != 0) {
      return failure(errno);
    }
    if ((status.st_mode & S_IWOTH) != 0) {
      return fail(
          Errc::Permission,
          fmt::format("{}{} is a symbolic link, and anybody may have put it there, for everybody "
                      "may write to the directory {}; give the path that it stands for, or "
                      "choose another place",
                      shown_, name_, shown_.empty() ? "." : shown_));
    }
    if (++links_ > kMostLinks) {
      return failure(ELOOP);
    }
    left_ = TRY(target_of(link_fd)) + left_;
    TRY(enter_start());
    return true;
  }

  UniqueFd directory_;
  std::string shown_;  ///< the way to it, for messages; "" or with "/" at the end
  std::string left_;   ///< empty, or starts with "/" behind the first step
  std::string name_;
  int links_ = 0;
  bool is_kernels_link_ = false;
};

}  // namespace

SafePlace::SafePlace(UniqueFd directory, std::string name, bool is_kernels_link)
    : directory_(std::move(directory)), name_(std::move(name)), is_kernels_link_(is_kernels_link) {}

Result<SafePlace> SafePlace::find(const std::string& path) {
  Walk walk(path);
  TRY(walk.begin());
  while (TRY(walk.step())) {
  }
  return SafePlace(walk.take_directory(), walk.name(), walk.is_kernels_link());
}

UniqueFd SafePlace::open(int flags, mode_t mode) const {
  const int no_follow = is_kernels_link_ ? 0 : O_NOFOLLOW;
  return UniqueFd(::openat(directory_.get(), name_.c_str(), flags | no_follow | O_CLOEXEC, mode));
}

int SafePlace::status(struct stat& status) const {
  const int no_follow = is_kernels_link_ ? 0 : AT_SYMLINK_NOFOLLOW;
  return ::fstatat(directory_.get(), name_.c_str(), &status, no_follow);
}

int SafePlace::access(int mode) const {
  return ::faccessat(directory_.get(), name_.c_str(), mode, AT_EACCESS);
}

}  // namespace xdpcap
