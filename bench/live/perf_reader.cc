// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/perf_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <numeric>

#include "bench/support/placement.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/kernel/quiesce.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using xdpcap::UniqueFd;

std::unexpected<cbpfc::Error> io_failure(const std::string& attempt) {
  return cbpfc::fail(Errc::Io, attempt + ": " + xdpcap::errno_text(errno), errno);
}

/// A pcapng file's packet blocks, through a buffer.
class BlockWriter {
 public:
  static Result<BlockWriter> create(const std::string& path) {
    BlockWriter writer;
    writer.file_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!writer.file_.is_open()) {
      return io_failure("create " + path);
    }
    // Section header (version 1.0, length unknown), and an interface: Ethernet, times in nanoseconds.
    constexpr std::array<std::uint32_t, 15> kStart = {
        0x0a0d0d0a, 28, 0x1a2b3c4d, 1,          0xffffffff, 0xffffffff, 28, 1,
        32,         1,  0,          0x00010009, 9,          0,          32};
    TRY(writer.append(kStart.data(), sizeof(kStart)));
    return writer;
  }

  Result<void> write(std::span<const std::uint8_t> packet) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const std::uint64_t ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                             static_cast<std::uint64_t>(now.tv_nsec);
    const auto length = static_cast<std::uint32_t>(packet.size());
    const std::uint32_t padding = -length % 4;
    const std::uint32_t block = 32 + length + padding;
    constexpr std::uint32_t kZero = 0;
    const std::array<std::uint32_t, 7> header = {
        6,      block, 0, static_cast<std::uint32_t>(ns >> 32U), static_cast<std::uint32_t>(ns),
        length, length};
    TRY(append(header.data(), sizeof(header)));
    TRY(append(packet.data(), packet.size()));
    TRY(append(&kZero, padding));
    return append(&block, sizeof(block));
  }

  Result<void> flush() {
    if (::write(file_.get(), buffer_.data(), used_) != static_cast<ssize_t>(used_)) {
      return io_failure("write packets");
    }
    used_ = 0;
    return {};
  }

 private:
  Result<void> append(const void* bytes, std::size_t size) {
    const auto* from = static_cast<const std::uint8_t*>(bytes);
    while (size > 0) {
      const std::size_t part = std::min(size, buffer_.size() - used_);
      std::memcpy(buffer_.data() + used_, from, part);
      used_ += part;
      from += part;
      size -= part;
      if (used_ == buffer_.size()) {
        TRY(flush());
      }
    }
    return {};
  }

  UniqueFd file_;
  std::array<std::uint8_t, 4096> buffer_{};
  std::size_t used_ = 0;
};

/// Becomes readable for SIGINT, which no longer ends the process.
Result<UniqueFd> watch_interrupt() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) {
    return io_failure("block SIGINT");
  }
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC));
  if (!fd.is_open()) {
    return io_failure("wait for SIGINT");
  }
  return fd;
}

/// All buffers, the file they go to, and what has passed.
class Reader {
 public:
  Reader(const PerfReference& reference, BlockWriter writer) : writer_(std::move(writer)) {
    for (const xdpcap::PerfBuffer& buffer : reference.buffers()) {
      records_.emplace_back(memory_of(buffer));
    }
  }

  Result<void> read(std::size_t buffer) {
    while (const auto sample = records_[buffer].next()) {
      if (sample->size() > kPerfMetadataBytes) {
        TRY(writer_.write(sample->subspan(kPerfMetadataBytes)));
        ++written_;
      }
    }
    return {};
  }

  Result<void> finish() {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      TRY(read(i));
    }
    TRY(writer_.flush());
    std::uint64_t lost = 0;
    for (const PerfRecords& records : records_) {
      lost += records.lost();
    }
    const std::string line = fmt::format("{} written, {} lost\n", written_, lost);
    return ::write(STDERR_FILENO, line.data(), line.size()) == static_cast<ssize_t>(line.size())
               ? Result<void>{}
               : io_failure("print the totals");
  }

 private:
  std::vector<PerfRecords> records_;
  BlockWriter writer_;
  std::uint64_t written_ = 0;
};

/// Reads what becomes ready until the one numbered `end` does.
Result<void> read_until(int epoll_fd, std::uint32_t end, Reader& reader) {
  std::array<epoll_event, 16> ready{};
  while (true) {
    const int count = ::epoll_wait(epoll_fd, ready.data(), static_cast<int>(ready.size()), -1);
    if (count < 0 && errno != EINTR) {
      return io_failure("wait for perf buffers");
    }
    for (int i = 0; i < count; ++i) {
      const std::uint32_t which = ready[static_cast<std::size_t>(i)].data.u32;
      if (which == end) {
        return {};
      }
      TRY(reader.read(which));
    }
  }
}

}  // namespace

Result<void> run_perf_reader(const HookTarget& target, const PerfReaderOptions& options) {
  std::vector<int> cpus(static_cast<std::size_t>(last_cpu()) + 1);
  std::iota(cpus.begin(), cpus.end(), 0);
  const PerfReference reference = TRY(PerfReference::create(cpus, options.size));
  const UniqueFd program = TRY(reference.load(target.action(), false));
  const UniqueFd interrupt = TRY(watch_interrupt());
  Reader reader(reference, TRY(BlockWriter::create(options.output)));
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  const auto watch = [&epoll](int fd, std::size_t number) {
    epoll_event event{.events = EPOLLIN, .data = {.u32 = static_cast<std::uint32_t>(number)}};
    return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  };
  bool is_watching = watch(interrupt.get(), cpus.size());
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    is_watching = is_watching && watch(reference.buffers()[i].fd(), i);
  }
  if (!is_watching) {
    return io_failure("watch perf buffers");
  }
  TRY(target.put(program.get()));
  TRY(read_until(epoll.get(), static_cast<std::uint32_t>(cpus.size()), reader));
  TRY(target.put(-1));
  TRY(xdpcap::wait_for_running_programs());
  return reader.finish();
}

}  // namespace bench
