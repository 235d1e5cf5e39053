// SPDX-License-Identifier: BSD-3-Clause
//
// Source: fopencookie(3), setvbuf(3).

#include "tools/recorded_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace command {

using cbpfc::Errc;
using cbpfc::Result;
using xdpcap::UniqueFd;

namespace {

constexpr std::size_t kBufferBytes = 65536;

}  // namespace

Result<std::unique_ptr<RecordedInput>> RecordedInput::open(const std::string& path) {
  constexpr int kFirstFree = 3;  // 0, 1 and 2 keep their meaning
  UniqueFd fd(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, kFirstFree)
                          : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    const int error = errno;
    const Errc code = error == ENOENT   ? Errc::NotFound
                      : error == EACCES ? Errc::Permission
                                        : Errc::Io;
    return cbpfc::fail(
        code,
        fmt::format("open {}: {}", path == "-" ? "standard input" : path, std::strerror(error)),
        error);
  }
  return std::unique_ptr<RecordedInput>(new RecordedInput(std::move(fd)));
}

std::FILE* RecordedInput::stream() {
  const auto read_some = [](void* self, char* bytes, std::size_t size) {
    return static_cast<RecordedInput*>(self)->read({bytes, size});
  };
  std::FILE* const file = ::fopencookie(
      this, "rb", {.read = read_some, .write = nullptr, .seek = nullptr, .close = nullptr});
  if (file != nullptr) {
    std::setvbuf(file, nullptr, _IONBF, 0);
  }
  return file;
}

/// As read(2).
ssize_t RecordedInput::read(std::span<char> wanted) {
  if (next_ == ahead_.size()) {
    ahead_.resize(kBufferBytes);
    ssize_t size = 0;
    do {
      size = ::read(fd_.get(), ahead_.data(), ahead_.size());
    } while (size < 0 && errno == EINTR);
    ahead_.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    next_ = 0;
    if (size <= 0) {
      return size;
    }
  }
  const std::size_t size = std::min(wanted.size(), ahead_.size() - next_);
  const std::span<const std::uint8_t> given = std::span(ahead_).subspan(next_, size);
  std::memcpy(wanted.data(), given.data(), size);
  taken_.insert(taken_.end(), given.begin(), given.end());
  next_ += size;
  return static_cast<ssize_t>(size);
}

}  // namespace command
