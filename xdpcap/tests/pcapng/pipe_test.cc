// SPDX-License-Identifier: BSD-3-Clause
//
// Pipes and sockets: whole blocks, readers that go, and readers that stand still.

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "xdpcap/pcapng/block.h"
#include "xdpcap/pcapng/file_sink.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/tests/pcapng/capture_files.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::make_bytes;
using test::make_section;

struct Ends {
  UniqueFd read;
  UniqueFd write;
};

Ends make_pipe(int flags = 0) {
  std::array<int, 2> fds{};
  EXPECT_EQ(::pipe2(fds.data(), flags | O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Ends make_socket_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// A sink that writes to `fd`.
FileSink make_sink(int fd) {
  auto sink = FileSink::open(fmt::format("/proc/self/fd/{}", fd));
  EXPECT_TRUE(sink.has_value());
  return std::move(*sink);
}

/// Sockets cannot be opened by a path: the sink takes them from standard output.
FileSink make_sink_by_standard_output(int fd) {
  ::fflush(stdout);
  const UniqueFd saved(::dup(STDOUT_FILENO));
  ::dup2(fd, STDOUT_FILENO);
  FileSink sink = FileSink::standard_output();
  ::dup2(saved.get(), STDOUT_FILENO);
  return sink;
}

/// All there is to read without waiting.
std::vector<std::uint8_t> drain(int fd) {
  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 65536> chunk{};
  pollfd polled = {.fd = fd, .events = POLLIN, .revents = 0};
  while (::poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN) != 0) {
    const ssize_t count = ::read(fd, chunk.data(), chunk.size());
    if (count <= 0) {
      break;
    }
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + count);
  }
  return bytes;
}

std::vector<std::uint8_t> read_to_end(int fd, milliseconds pause) {
  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 8192> chunk{};
  ssize_t count = 0;
  while ((count = ::read(fd, chunk.data(), chunk.size())) > 0) {
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + count);
    if (pause.count() > 0) {
      std::this_thread::sleep_for(pause);
    }
  }
  return bytes;
}

UniqueFd readable_event() {
  return UniqueFd(::eventfd(1, EFD_CLOEXEC));
}

Result<void> write_packets(PcapngWriter& writer, std::uint32_t packets, std::uint32_t size) {
  const auto bytes = make_bytes(size, 1);
  for (std::uint32_t i = 0; i < packets; ++i) {
    TRY(writer.write({.interface = i % 2, .wire_length_bytes = size, .bytes = bytes}));
  }
  return writer.flush();
}

class Pipe : public ::testing::Test {
 protected:
  Pipe() { ::signal(SIGPIPE, SIG_IGN); }
};

/// In packet mode a pipe hands out each write as it was made.
TEST_F(Pipe, EachWriteHoldsWholeBlocks) {
  Ends ends = make_pipe(O_DIRECT);
  std::vector<std::vector<std::uint8_t>> writes;
  std::thread reader([&] {
    std::array<std::uint8_t, 65536> chunk{};
    ssize_t count = 0;
    while ((count = ::read(ends.read.get(), chunk.data(), chunk.size())) > 0) {
      writes.emplace_back(chunk.begin(), chunk.begin() + count);
    }
  });
  {
    // A duplicate: a pipe opened by its path would not be in packet mode.
    FileSink sink = make_sink_by_standard_output(ends.write.get());
    EXPECT_EQ(sink.block_boundary_bytes(), 0U);
    auto writer = PcapngWriter::start(sink, make_section(2));
    ASSERT_TRUE(writer.has_value());
    std::mt19937 random(1);
    const auto bytes = make_bytes(3900, 1);
    for (int i = 0; i < 3000; ++i) {
      const auto packet = std::span(bytes).first(random() % 3900);
      ASSERT_TRUE(writer->write({.bytes = packet}).has_value());
    }
    ASSERT_TRUE(writer->flush().has_value());
    EXPECT_EQ(writer->delivered(0), 3000U);
    ASSERT_TRUE(sink.finish().has_value());
  }
  ends.write.reset();
  reader.join();
  std::uint64_t packets = 0;
  for (const auto& one : writes) {
    EXPECT_LE(one.size(), 4096U);
    for (const auto& [interface, count] : test::packets_by_interface(one)) {
      packets += count;
    }
  }
  EXPECT_EQ(packets, 3000U);
  EXPECT_GT(writes.size(), 1000U);
}

TEST_F(Pipe, AReaderThatGoesIsEpipe) {
  Ends ends = make_pipe();
  FileSink sink = make_sink(ends.write.get());
  ends.write.reset();
  auto writer = PcapngWriter::start(sink, make_section(2));
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(write_packets(*writer, 10, 100).has_value());
  EXPECT_EQ(test::read_with_libpcap(drain(ends.read.get())).packets, 10U);
  ends.read.reset();
  const auto result = write_packets(*writer, 10, 100);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::Io);
  EXPECT_EQ(result.error().sys_errno, EPIPE);
  EXPECT_NE(result.error().message.find("nobody reads the other end any more"), std::string::npos);
  EXPECT_EQ(writer->delivered(0), 5U);
  EXPECT_EQ(writer->delivered(1), 5U);
  pollfd polled = {.fd = sink.fd(), .events = 0, .revents = 0};
  EXPECT_EQ(::poll(&polled, 1, 0), 1) << "fd() can be polled for POLLERR";
}

struct StuckCase {
  const char* what;
  bool is_socket;
  bool is_nonblocking;
  std::uint32_t size;
};

/// What a reader that never reads left in the pipe is what the writer counts.
TEST_F(Pipe, AStuckReaderDoesNotBlockAStop) {
  const std::vector<StuckCase> cases = {
      {"small packets", false, false, 100},
      {"jumbo packets", false, false, 9000},
      {"largest packets", false, false, 65535},
      {"non-blocking pipe", false, true, 1500},
      {"socket", true, false, 1500},
      {"socket, jumbo packets", true, false, 9000},
  };
  for (const StuckCase& c : cases) {
    SCOPED_TRACE(c.what);
    Ends ends = c.is_socket ? make_socket_pair() : make_pipe(c.is_nonblocking ? O_NONBLOCK : 0);
    FileSink sink = make_sink_by_standard_output(ends.write.get());
    const UniqueFd stop = readable_event();
    sink.set_stop_fd(stop.get());
    auto writer = PcapngWriter::start(sink, make_section(2));
    ASSERT_TRUE(writer.has_value());
    const auto before = steady_clock::now();
    const auto result = write_packets(*writer, 20'000, c.size);
    const auto took = steady_clock::now() - before;
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, Errc::Io);
    EXPECT_EQ(result.error().sys_errno, EINTR);
    EXPECT_EQ(result.error().message,
              "write to standard output: stopped while the output was not being read");
    EXPECT_LT(took, milliseconds(3000));
    const auto received = drain(ends.read.get());
    const auto whole = std::span(received).first(whole_blocks_bytes(received, received.size() - 1));
    const bool is_torn = sink.written_bytes() != received.size();
    if (!is_torn) {
      EXPECT_EQ(test::read_with_libpcap(received).error, "");
    } else {
      EXPECT_GT(c.size, 4000U) << "only a block that goes in pieces can be torn";
      const auto refused = writer->flush();
      EXPECT_TRUE(refused.has_value()) << "nothing is left to send";
      EXPECT_FALSE(sink.write(make_bytes(16, 1)).has_value()) << "the torn block cannot be mended";
    }
    auto packets = test::packets_by_interface(std::span(received).first(sink.written_bytes()));
    EXPECT_EQ(writer->delivered(0), packets[0]);
    EXPECT_EQ(writer->delivered(1), packets[1]);
    EXPECT_LE(whole.size(), sink.written_bytes());
  }
}

TEST_F(Pipe, AStopLosesNothingWhileTheReaderReads) {
  Ends ends = make_pipe();
  FileSink sink = make_sink(ends.write.get());
  ends.write.reset();
  const UniqueFd stop = readable_event();
  sink.set_stop_fd(stop.get());
  std::vector<std::uint8_t> received;
  std::thread reader([&] { received = read_to_end(ends.read.get(), milliseconds(1)); });
  {
    auto writer = PcapngWriter::start(sink, make_section(2));
    ASSERT_TRUE(writer.has_value());
    EXPECT_TRUE(write_packets(*writer, 3000, 150).has_value());
    EXPECT_EQ(writer->delivered(0) + writer->delivered(1), 3000U);
    ASSERT_TRUE(sink.finish().has_value());
  }
  reader.join();
  EXPECT_EQ(test::read_with_libpcap(received).packets, 3000U);
}

TEST_F(Pipe, WithoutAStopAWriteWaitsForTheReader) {
  Ends ends = make_pipe();
  FileSink sink = make_sink(ends.write.get());
  ends.write.reset();
  const UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  sink.set_stop_fd(stop.get());
  std::vector<std::uint8_t> received;
  std::thread reader([&] {
    std::this_thread::sleep_for(milliseconds(900));  // longer than a stop would wait
    received = read_to_end(ends.read.get(), milliseconds(0));
  });
  {
    auto writer = PcapngWriter::start(sink, make_section(2));
    ASSERT_TRUE(writer.has_value());
    EXPECT_TRUE(write_packets(*writer, 200, 9000).has_value());
    ASSERT_TRUE(sink.finish().has_value());
  }
  reader.join();
  const auto result = test::read_with_libpcap(received);
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.packets, 200U);
}

TEST_F(Pipe, AWriteThatWaitsCallsBack) {
  const Ends ends = make_pipe();
  FileSink sink = make_sink(ends.write.get());
  std::vector<std::uint8_t> received;
  int calls = 0;
  sink.set_while_waiting([&] {
    if (++calls % 3 == 0) {
      const auto some = drain(ends.read.get());
      received.insert(received.end(), some.begin(), some.end());
    }
  });
  auto writer = PcapngWriter::start(sink, make_section(2));
  ASSERT_TRUE(writer.has_value());
  EXPECT_TRUE(write_packets(*writer, 1000, 150).has_value());
  EXPECT_EQ(calls % 3, 0) << "it goes on as soon as there is room";
  EXPECT_GE(calls, 3);
  ASSERT_TRUE(sink.finish().has_value());
  const auto rest = drain(ends.read.get());
  received.insert(received.end(), rest.begin(), rest.end());
  EXPECT_EQ(test::read_with_libpcap(received).packets, 1000U);
}

TEST_F(Pipe, AStopDuringTheWaitEndsIt) {
  Ends ends = make_pipe();
  FileSink sink = make_sink(ends.write.get());
  ends.write.reset();
  const UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  sink.set_stop_fd(stop.get());
  auto writer = PcapngWriter::start(sink, make_section(2));
  ASSERT_TRUE(writer.has_value());
  std::thread stopper([&] {
    std::this_thread::sleep_for(milliseconds(200));
    EXPECT_EQ(::eventfd_write(stop.get(), 1), 0);
  });
  const auto before = steady_clock::now();
  const auto result = write_packets(*writer, 5000, 1500);
  const auto took = steady_clock::now() - before;
  stopper.join();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().sys_errno, EINTR);
  EXPECT_GE(took, milliseconds(200));
  EXPECT_LT(took, milliseconds(2000));
}

}  // namespace
}  // namespace xdpcap
