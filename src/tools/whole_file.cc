// SPDX-License-Identifier: BSD-3-Clause

#include "tools/whole_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace command {

using cbpfc::Errc;
using cbpfc::Result;
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

/// Where a symbolic link leads, so that the link stays and its file is replaced.
std::string behind_links(const std::string& path) {
  std::array<char, PATH_MAX> real{};
  return ::realpath(path.c_str(), real.data()) != nullptr ? real.data() : path;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

/// A name beside `path` that no other process of this machine uses.
std::string name_beside(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t start = slash == std::string::npos ? 0 : slash + 1;
  return fmt::format("{}.{}.{}", path.substr(0, start), path.substr(start), ::getpid());
}

}  // namespace

WholeFile::WholeFile(std::string path)
    : name_(path == "-" ? "standard output" : path), path_(std::move(path)) {}

WholeFile::WholeFile(WholeFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      name_(std::move(other.name_)),
      path_(std::exchange(other.path_, {})),
      temporary_(std::exchange(other.temporary_, {})) {}

WholeFile::~WholeFile() {
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
}

std::unexpected<cbpfc::Error> WholeFile::failure(std::string_view attempt, int error_number) const {
  return cbpfc::fail(code_of(error_number),
                     fmt::format("{} {}: {}", attempt, name_, std::strerror(error_number)),
                     error_number);
}

Result<WholeFile> WholeFile::create(const std::string& path) {
  WholeFile file(path);
  if (path == "-") {
    constexpr int kFirstFree = 3;  // 0, 1 and 2 keep their meaning
    file.path_.clear();
    file.fd_.reset(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, kFirstFree));
    if (!file.fd_.is_open()) {
      return file.failure("write to", errno);
    }
    return file;
  }
  struct stat status{};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) {
    return file.failure("create", EISDIR);
  }
  if (exists && !S_ISREG(status.st_mode)) {
    file.path_.clear();
    file.fd_.reset(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.fd_.is_open()) {
      return file.failure("open", errno);
    }
    return file;
  }
  if (exists && ::access(path.c_str(), W_OK) != 0) {
    return file.failure("replace", errno);  // rename() would not ask the file
  }
  file.path_ = behind_links(path);
  TRY(file.open_beside());
  if (exists) {
    ::fchmod(file.fd(), status.st_mode & 07777);  // as well as it can be had
  }
  return file;
}

Result<void> WholeFile::open_beside() {
  fd_.reset(::open(directory_of(path_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, kUsualMode));
  if (fd_.is_open()) {
    return {};
  }
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
    return failure("create", errno);
  }
  const std::string temporary = name_beside(path_);
  fd_.reset(::open(temporary.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, kUsualMode));
  if (!fd_.is_open()) {
    return failure("create", errno);
  }
  temporary_ = temporary;
  return {};
}

Result<void> WholeFile::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return failure("write to", written == 0 ? EIO : errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> WholeFile::write(std::string_view text) {
  // Bytes of a character type may be looked at as bytes of another.
  return write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

Result<void> WholeFile::commit() {
  if (path_.empty()) {
    return {};
  }
  if (temporary_.empty()) {
    const std::string temporary = name_beside(path_);
    const std::string unnamed = fmt::format("/proc/self/fd/{}", fd_.get());
    if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, temporary.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return failure("give its name to", errno);
    }
    temporary_ = temporary;
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return failure("replace", errno);
  }
  temporary_.clear();
  path_.clear();
  return {};
}

}  // namespace command
