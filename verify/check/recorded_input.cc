// SPDX-License-Identifier: BSD-3-Clause
//
// Source: fopencookie(3), setvbuf(3).

#include "verify/check/recorded_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/text.h"

namespace check {

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
    return cbpfc::fail(code,
                       fmt::format("open {}: {}", path == "-" ? "standard input" : path,
                                   xdpcap::errno_text(error)),
                       error);
  }
  return std::unique_ptr<RecordedInput>(new RecordedInput(std::move(fd)));
}

std::FILE* RecordedInput::stream() {
  const auto read_some = [](void* self, char* bytes, std::size_t size) {
    return static_cast<RecordedInput*>(self)->read({bytes, size});
  };
  // For ftello(), which asks where the stream's buffer ends; nothing else is possible in a pipe.
  const auto tell = [](void* self, off64_t* offset, int whence) {
    if (whence != SEEK_CUR || *offset != 0) {
      errno = ESPIPE;
      return -1;
    }
    *offset = static_cast<RecordedInput*>(self)->end_;
    return 0;
  };
  stream_ = ::fopencookie(this, "rb",
                          {.read = read_some, .write = nullptr, .seek = tell, .close = nullptr});
  if (stream_ != nullptr) {
    std::setvbuf(stream_, nullptr, _IOFBF, kBufferBytes);
  }
  return stream_;
}

std::span<const std::uint8_t> RecordedInput::taken() const {
  const auto unread = static_cast<std::size_t>(end_ - ::ftello(stream_));
  return std::span(given_).subspan(start_, given_.size() - unread - start_);
}

Result<std::span<const char>> RecordedInput::peek(std::size_t size) {
  while (ahead_.size() < size) {
    const std::size_t start = ahead_.size();
    ahead_.resize(size);
    const ssize_t got = read_file({&ahead_[start], size - start});
    ahead_.resize(start + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) {
      return cbpfc::fail(Errc::Io, xdpcap::errno_text(errno), errno);
    }
    if (got == 0) {
      break;
    }
  }
  return std::span<const char>(ahead_);
}

/// As read(2), which signals do not end.
ssize_t RecordedInput::read_file(std::span<char> wanted) const {
  ssize_t size = 0;
  do {
    size = ::read(fd_.get(), wanted.data(), wanted.size());
  } while (size < 0 && errno == EINTR);
  return size;
}

ssize_t RecordedInput::read(std::span<char> wanted) {
  ssize_t size = 0;
  if (ahead_.empty()) {
    size = read_file(wanted);
  } else {
    size = static_cast<ssize_t>(std::min(ahead_.size(), wanted.size()));
    std::copy_n(ahead_.begin(), size, wanted.begin());
    ahead_.erase(ahead_.begin(), ahead_.begin() + size);
  }
  if (size > 0) {
    given_.erase(given_.begin(), given_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
    given_.insert(given_.end(), wanted.begin(), wanted.begin() + size);
    end_ += size;
  }
  return size;
}

}  // namespace check
