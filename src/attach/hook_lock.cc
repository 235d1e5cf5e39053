// SPDX-License-Identifier: BSD-3-Clause

#include "attach/hook_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "kernel/errors.h"

namespace xdpcap {
namespace {

Errc code_of(int error_number) {
  switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP: return Errc::Permission;
    case ENOENT:
    case ENOTDIR: return Errc::NotFound;
    default: return Errc::Io;
  }
}

}  // namespace

Result<HookLock> HookLock::open(const std::string& directory) {
  // Who may not create it may find it all the same.
  static_cast<void>(::mkdir(directory.c_str(), 0755));
  const std::string path = directory + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644));
  const int error_number = errno;
  if (!fd.is_open() && error_number == EACCES) {
    // Another user's: reading is enough for a lock.
    fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  }
  if (!fd.is_open()) {
    return fail(code_of(error_number),
                fmt::format("open lock {}: {}; give a directory for it with -run-dir", path,
                            errno_text(error_number)),
                error_number);
  }
  return HookLock(std::move(fd));
}

HookLock::Turn HookLock::take() const {
  constexpr int kTries = 200;
  constexpr std::chrono::milliseconds kPause(10);
  for (int i = 0; fd_.is_open() && i < kTries; ++i) {
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) {
      return Turn(fd_.get());
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {
      break;
    }
    std::this_thread::sleep_for(kPause);
  }
  return Turn(-1);
}

HookLock::Turn::~Turn() {
  if (fd_ >= 0) {
    ::flock(fd_, LOCK_UN);
  }
}

}  // namespace xdpcap
