// SPDX-License-Identifier: BSD-3-Clause

#include "base/safe_path.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <optional>
#include <string_view>
#include <utility>

#include "base/file_io.h"
#include "base/random.h"
#include "base/text.h"

namespace xdpcap {

using cbpfc::Errc;
using cbpfc::Error;
using cbpfc::fail;
using cbpfc::Result;

namespace {

/// As many as the kernel follows.
constexpr int kMostLinks = 40;

std::unexpected<Error> failure(int error) {
  return fail(Errc::Io, errno_text(error), error);
}

bool is_in_proc(int fd) {
  struct statfs system{};
  return ::fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

bool is_link(int fd) {
  struct stat status{};
  return file_status(fd, status) && S_ISLNK(status.st_mode);
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

/// Who besides the trusted may put something into a directory, in words; empty: they alone.
std::string others_in(const struct stat& directory, const std::string& shown,
                      const TrustedUsers& trusted) {
  const std::string name = shown.empty() ? "." : shown;
  if ((directory.st_mode & S_IWOTH) != 0) {
    return fmt::format("everybody may write to the directory {}", name);
  }
  if (!trusted.contain(directory.st_uid)) {
    return fmt::format("the directory {} belongs to user {}", name, directory.st_uid);
  }
  // With an access control list, these bits are the most that any user or group in it has.
  return (directory.st_mode & S_IWGRP) != 0
             ? fmt::format("group {} may write to the directory {}", directory.st_gid, name)
             : "";
}

/// The walk: a directory, and what is left of the path from there.
class Walk {
 public:
  Walk(std::string path, const TrustedUsers& trusted, LastLink last_link)
      : left_(std::move(path)), trusted_(trusted), last_link_(last_link) {}
  /// One that begins in a directory, which it does not leave.
  Walk(UniqueFd directory, std::string name, const TrustedUsers& trusted, std::string others)
      : directory_(std::move(directory)),
        left_(std::move(name)),
        trusted_(trusted),
        others_(std::move(others)),
        is_confined_(true) {}

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
    if (is_confined_ && name_ == "..") {
      return leaves();
    }
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
  const std::string& others() const { return others_; }
  bool is_kernels_link() const { return is_kernels_link_; }

 private:
  static constexpr int kFlags = O_PATH | O_CLOEXEC;

  /// Takes note of who may put something into `directory_`, which has just been entered.
  Result<void> look_around() {
    struct stat status{};
    if (!file_status(directory_.get(), status)) {
      return failure(errno);
    }
    // Others may have put this directory there, so it stays suspect even if its owner and mode look right.
    const bool is_ours = others_.empty() || (keeps_ours_ && trusted_.contain(status.st_uid) &&
                                             status.st_dev == device_);
    if (is_ours) {
      others_ = others_in(status, shown_, trusted_);
    }
    keeps_ours_ = is_ours && (status.st_mode & S_ISVTX) != 0 && trusted_.contain(status.st_uid);
    device_ = status.st_dev;
    return {};
  }

  Result<void> enter_start() {
    const bool is_absolute = left_.starts_with('/');
    if (is_absolute || !directory_.is_open()) {
      directory_.reset(::open(is_absolute ? "/" : ".", kFlags | O_DIRECTORY));
      shown_ = is_absolute ? "/" : "";
      return directory_.is_open() ? look_around() : failure(errno);
    }
    return {};
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
      if (is_confined_ || !is_in_proc(link.get())) {
        return follow(link.get());
      }
      TRY(may_follow());
      next.reset(::openat(directory_.get(), name_.c_str(), kFlags | O_DIRECTORY));
    }
    if (!next.is_open()) {
      return failure(errno);
    }
    directory_ = std::move(next);
    shown_ += name_ + "/";
    TRY(look_around());
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
    is_kernels_link_ = !is_confined_ && is_in_proc(there.get());
    if (!is_kernels_link_ && last_link_ == LastLink::Kept) {
      return false;
    }
    if (!is_kernels_link_) {
      return follow(there.get());
    }
    TRY(may_follow());
    return false;
  }

  Result<void> may_follow() const {
    return others_.empty()
               ? Result<void>{}
               : fail(Errc::Permission,
                      fmt::format("{}{} is a symbolic link that others may have put there: {}; "
                                  "give the path that it stands for, or choose another place",
                                  shown_, name_, others_));
  }

  static std::unexpected<Error> leaves() {
    return fail(Errc::Permission, "it is a symbolic link that leads out of its directory");
  }

  /// Puts what the link says in the place of its name.
  Result<bool> follow(int link_fd) {
    TRY(may_follow());
    if (++links_ > kMostLinks) {
      return failure(ELOOP);
    }
    left_ = TRY(target_of(link_fd)) + left_;
    if (is_confined_ && left_.starts_with('/')) {
      return leaves();
    }
    TRY(enter_start());
    return true;
  }

  UniqueFd directory_;
  std::string shown_;  ///< the way to it, for messages; "" or with "/" at the end
  std::string left_;   ///< empty, or starts with "/" behind the first step
  std::string name_;
  TrustedUsers trusted_;
  std::string
      others_;  ///< who else may have put something into it, in words; empty if no one else may
  bool keeps_ours_ = false;  ///< others may not replace in it what belongs to the trusted
  dev_t device_ = 0;         ///< its file system
  int links_ = 0;
  LastLink last_link_ = LastLink::Followed;
  bool is_confined_ = false;
  bool is_kernels_link_ = false;
};

}  // namespace

bool TrustedUsers::contain(uid_t uid) const {
  return uid == 0 || uid == ::geteuid() || (also && uid == *also);
}

SafePlace::SafePlace(UniqueFd directory, std::string name)
    : directory_(std::move(directory)), name_(std::move(name)) {}

Result<SafePlace> SafePlace::find(const std::string& path, const TrustedUsers& trusted,
                                  LastLink last_link) {
  Walk walk(path, trusted, last_link);
  TRY(walk.begin());
  while (TRY(walk.step())) {
  }
  SafePlace place(walk.take_directory(), walk.name());
  place.trusted_ = trusted;
  place.others_ = walk.others();
  place.is_kernels_link_ = walk.is_kernels_link();
  return place;
}

Result<SafePlace> SafePlace::follow() const {
  UniqueFd directory(::fcntl(directory_.get(), F_DUPFD_CLOEXEC, 0));
  if (!directory.is_open()) {
    return failure(errno);
  }
  Walk walk(std::move(directory), name_, trusted_, others_);
  while (TRY(walk.step())) {
  }
  SafePlace place(walk.take_directory(), walk.name());
  place.trusted_ = trusted_;
  place.others_ = walk.others();
  return place;
}

Result<void> SafePlace::check(const struct stat& status) const {
  if (S_ISDIR(status.st_mode)) {
    return failure(EISDIR);
  }
  if (others_.empty()) {
    return {};
  }
  const auto refused = [this](const std::string& why) {
    return fail(Errc::Permission,
                fmt::format("{}, and others may have put it there: {}; delete it, or choose "
                            "another place",
                            why, others_));
  };
  if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) {
    return refused("it is neither a regular file nor a named pipe");
  }
  if (!trusted_.contain(status.st_uid)) {
    return refused(fmt::format("it belongs to user {}", status.st_uid));
  }
  // Of a file of ours elsewhere, anybody may make another name here.
  if (status.st_nlink > 1) {
    return refused(fmt::format("it is a file with {} names (hard links)", status.st_nlink));
  }
  return {};
}

Result<UniqueFd> SafePlace::open_existing(int flags) const {
  struct stat status{};
  if (this->status(status) != 0) {
    return failure(errno);
  }
  TRY(check(status));
  UniqueFd fd = open(flags);
  if (!fd.is_open() || !file_status(fd.get(), status)) {
    return failure(errno);
  }
  TRY(check(status));  // it may be another one by now
  if ((flags & O_NONBLOCK) != 0 &&
      ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK) != 0) {
    return failure(errno);
  }
  return fd;
}

UniqueFd SafePlace::open(int flags, mode_t mode) const {
  const int no_follow = is_kernels_link_ ? 0 : O_NOFOLLOW;
  return UniqueFd(::openat(directory_.get(), name_.c_str(), flags | no_follow | O_CLOEXEC, mode));
}

int SafePlace::status(struct stat& status) const {
  const UniqueFd fd = open(O_PATH);
  return fd.is_open() && file_status(fd.get(), status) ? 0 : -1;
}

Result<std::string> SafePlace::name_beside() const {
  constexpr std::size_t kMost = 200;  // bytes, of the 255 that a name may have
  return fmt::format(".{}.{}", name_.substr(0, kMost), TRY(random_digits()));
}

int SafePlace::access(int mode) const {
  return ::faccessat(directory_.get(), name_.c_str(), mode, AT_EACCESS);
}

}  // namespace xdpcap
