// SPDX-License-Identifier: BSD-3-Clause
//
// FileSink: writing, and what is left when writing fails.

#include "xdpcap/pcapng/file_sink.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/file_io.h"
#include "base/text.h"
#include "xdpcap/pcapng/block.h"

namespace xdpcap {
namespace {

/// Linux copies to a file in steps that end at multiples of its page size, of which this is the
/// least.
constexpr std::uint32_t kPageBytes = 4096;

/// What a pipe takes as one piece: PIPE_BUF.
constexpr std::size_t kPieceBytes = 4096;

/// How long a reader may stand still after the stop descriptor became readable.
constexpr std::chrono::milliseconds kStopGrace{500};

/// How often a writer that waits is called back.
constexpr std::chrono::milliseconds kCallInterval{100};

std::string reason(int error) {
  switch (error) {
    case EPIPE: return "nobody reads the other end any more (broken pipe)";
    case EINTR: return "stopped while the output was not being read";
    case ENOSPC: return "no space left on the file system; free some or choose another place";
    case EDQUOT: return "the disk quota is used up; free some space or choose another place";
    case EFBIG: return "the file has reached the size limit; see ulimit -f";
    case EBADF: return "it is not open for writing; redirect it to a file or a pipe";
    default: return errno_text(error);
  }
}

}  // namespace

std::uint32_t FileSink::block_boundary_bytes() const {
  return is_regular_ ? kPageBytes : 0;
}

Result<void> FileSink::write(std::span<const std::uint8_t> bytes) {
  if (!fd_.is_open()) {
    return write_error(EBADF);
  }
  if (is_torn_) {
    return write_error(EIO, "it ends inside a block since an earlier error");
  }
  if (std::exchange(empties_file_, false) && ::ftruncate(fd_.get(), 0) != 0) {
    return write_error(errno, "what it held is still there");
  }
  return is_regular_ ? write_regular(bytes) : write_stream(bytes);
}

Result<void> FileSink::write_regular(std::span<const std::uint8_t> bytes) {
  std::size_t done_bytes = 0;
  if (const int error = write_all(fd_.get(), bytes, done_bytes); error != 0) {
    return cut_back(bytes, done_bytes, error);
  }
  written_bytes_ += bytes.size();
  return {};
}

/// Shortens the file, of which `done_bytes` of `bytes` arrived, to the last whole block.
std::unexpected<Error> FileSink::cut_back(std::span<const std::uint8_t> bytes,
                                          std::size_t done_bytes, int error) {
  const std::size_t whole_bytes = whole_blocks_bytes(bytes, done_bytes);
  const std::uint64_t end_bytes = start_offset_bytes_ + written_bytes_ + done_bytes;
  written_bytes_ += whole_bytes;
  const char* const ends_whole = written_bytes_ > 0 ? "it ends with the last whole packet" : "";
  if (whole_bytes == done_bytes) {
    return write_error(error, ends_whole);
  }
  // Bytes that others wrote behind ours, to a file opened for appending, are not ours to cut.
  struct stat status{};
  const auto keep_bytes = static_cast<off_t>(start_offset_bytes_ + written_bytes_);
  const bool is_cut = file_status(fd_.get(), status) &&
                      static_cast<std::uint64_t>(status.st_size) == end_bytes &&
                      ::ftruncate(fd_.get(), keep_bytes) == 0 &&
                      ::lseek(fd_.get(), keep_bytes, SEEK_SET) == keep_bytes;
  is_torn_ = !is_cut;
  return write_error(error,
                     is_cut ? ends_whole : "it ends inside a packet and could not be cut back");
}

Result<void> FileSink::write_stream(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    std::size_t part_bytes = whole_blocks_bytes(bytes, kPieceBytes);
    if (part_bytes == 0) {
      part_bytes = first_block_bytes(bytes);
    }
    std::size_t done_bytes = 0;
    while (done_bytes < part_bytes) {
      const std::size_t piece_bytes = std::min(part_bytes - done_bytes, kPieceBytes);
      const int error = write_piece(bytes.subspan(done_bytes, piece_bytes), done_bytes);
      if (error != 0) {
        const std::size_t whole_bytes = whole_blocks_bytes(bytes, done_bytes);
        written_bytes_ += whole_bytes;
        is_torn_ = whole_bytes != done_bytes;
        return write_error(error);
      }
    }
    written_bytes_ += part_bytes;
    bytes = bytes.subspan(part_bytes);
  }
  return {};
}

/// Writes what the output takes of `piece` at once and adds it to `done_bytes`; 0 or the errno.
int FileSink::write_piece(std::span<const std::uint8_t> piece, std::size_t& done_bytes) const {
  const int error = wait_for_room();
  if (error != 0) {
    return error;
  }
  // A pipe that has room takes a whole piece; a socket may have less and would then wait for the
  // rest.
  const ssize_t count =
      is_socket_ ? ::send(fd_.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                 : ::write(fd_.get(), piece.data(), piece.size());
  if (count > 0) {
    done_bytes += static_cast<std::size_t>(count);
    return 0;
  }
  if (count == 0) {
    return EIO;
  }
  return errno == EINTR || errno == EAGAIN ? 0 : errno;
}

/// Waits until a write would not block; 0, or EINTR if told to stop, or another errno.
int FileSink::wait_for_room() const {
  using Clock = std::chrono::steady_clock;
  std::array<pollfd, 2> polled = {pollfd{.fd = fd_.get(), .events = POLLOUT, .revents = 0},
                                  pollfd{.fd = stop_fd_, .events = POLLIN, .revents = 0}};
  std::optional<Clock::time_point> deadline;
  for (std::chrono::milliseconds patience{0};;) {
    const int ready = ::poll(polled.data(), polled.size(), static_cast<int>(patience.count()));
    if (ready < 0 && errno != EINTR) {
      return errno;
    }
    if (ready > 0 && polled[0].revents != 0) {
      return 0;  // also when it failed: the write finds out how
    }
    if (ready > 0 && polled[1].revents != 0) {
      polled[1].fd = -1;  // stays readable; asked once
      deadline = Clock::now() + kStopGrace;
    }
    if (while_waiting_) {
      while_waiting_();
    }
    patience = kCallInterval;
    if (deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
      if (left.count() <= 0) {
        return EINTR;
      }
      patience = std::min(patience, left);
    }
  }
}

std::string FileSink::display_name() const {
  return path_ == "-" ? "standard output" : path_;
}

Result<void> FileSink::finish() {
  assert(fd_.is_open());
  if (::close(fd_.release()) != 0 && errno != EINTR) {  // Linux closes also when it says EINTR
    const int error = errno;
    return fail(Errc::Io,
                fmt::format("close {}: {}; the end of the capture may be missing", display_name(),
                            reason(error)),
                error);
  }
  return {};
}

std::unexpected<Error> FileSink::write_error(int error, const std::string& consequence) const {
  return fail(Errc::Io,
              fmt::format("write to {}: {}{}{}", display_name(), reason(error),
                          consequence.empty() ? "" : "; ", consequence),
              error);
}

}  // namespace xdpcap
