// SPDX-License-Identifier: BSD-3-Clause
//
// An output that fails after any number of bytes: what it holds is read to its end, and the writer
// knows which packets those are.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <csignal>
#include <optional>
#include <span>
#include <vector>

#include "xdpcap/pcapng/block.h"
#include "xdpcap/pcapng/file_sink.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/tests/pcapng/capture_files.h"
#include "xdpcap/tests/pcapng/memory_sink.h"

namespace xdpcap {
namespace {

using test::make_bytes;
using test::make_section;

constexpr std::uint32_t kInterfaces = 3;
constexpr int kPackets = 20;

/// Writes a small capture, whatever fails; the writer, if it could be started.
std::optional<PcapngWriter> write_small_capture(ByteSink& sink) {
  auto writer = PcapngWriter::start(sink, make_section(kInterfaces));
  if (!writer.has_value()) {
    EXPECT_EQ(writer.error().code, Errc::Io);
    return std::nullopt;
  }
  const auto bytes = make_bytes(40, 1);
  for (std::uint32_t i = 0; i < kPackets; ++i) {
    const auto result = writer->write({.interface = i % kInterfaces,
                                       .wire_length_bytes = 40,
                                       .bytes = std::span(bytes).first(i * 2)});
    EXPECT_TRUE(result.has_value()) << "the buffer is far from full";
    if (i % 7 == 6) {
      (void)writer->flush();
    }
  }
  (void)writer->write_statistics(std::vector<PcapngStatistics>(kInterfaces));
  return std::move(*writer);
}

/// Checks the counts against the packets that `file` has.
void expect_counts(const PcapngWriter& writer, std::span<const std::uint8_t> file) {
  auto packets = test::packets_by_interface(file);
  for (std::uint32_t i = 0; i < kInterfaces; ++i) {
    EXPECT_EQ(writer.delivered(i), packets[i]);
  }
}

std::uint64_t small_capture_bytes() {
  MemorySink sink;
  const auto writer = write_small_capture(sink);
  EXPECT_TRUE(writer.has_value());
  return sink.bytes().size();
}

TEST(SinkFailure, AtEveryByte) {
  const std::uint64_t size = small_capture_bytes();
  for (const bool cuts_back : {true, false}) {
    for (std::uint64_t limit = 0; limit <= size; ++limit) {
      SCOPED_TRACE(limit);
      MemorySink sink({.fail_after_bytes = limit, .cuts_back = cuts_back});
      const auto writer = write_small_capture(sink);
      const auto whole =
          std::span(sink.bytes()).first(static_cast<std::size_t>(sink.written_bytes()));
      if (cuts_back) {
        ASSERT_EQ(whole.size(), sink.bytes().size());
      }
      if (writer.has_value() && cuts_back) {
        const auto read = test::read_with_libpcap(whole);
        ASSERT_EQ(read.error, "");
        expect_counts(*writer, whole);
        ASSERT_EQ(read.packets, writer->delivered(0) + writer->delivered(1) + writer->delivered(2));
      }
    }
  }
}

TEST(SinkFailure, WhatWasDroppedStaysDropped) {
  MemorySink sink({.fail_after_bytes = 1500});
  auto writer = PcapngWriter::start(sink, make_section(kInterfaces));
  ASSERT_TRUE(writer.has_value());
  const auto bytes = make_bytes(100, 1);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(writer->write({.wire_length_bytes = 100, .bytes = bytes}).has_value());
  }
  const auto failed = writer->flush();
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().sys_errno, ENOSPC);
  const std::uint64_t delivered = writer->delivered(0);
  EXPECT_GT(delivered, 0U);
  EXPECT_LT(delivered, 100U);
  sink.set_fail_after_bytes(1U << 20);
  ASSERT_TRUE(writer->flush().has_value());
  EXPECT_EQ(writer->delivered(0), delivered);
  ASSERT_TRUE(
      writer->write({.interface = 1, .wire_length_bytes = 100, .bytes = bytes}).has_value());
  ASSERT_TRUE(writer->write_statistics(std::vector<PcapngStatistics>(kInterfaces)).has_value());
  EXPECT_EQ(writer->delivered(1), 1U);
  expect_counts(*writer, sink.bytes());
  EXPECT_EQ(test::read_with_libpcap(sink.bytes()).error, "");
}

/// A full buffer is flushed by write(), which then reports the error.
TEST(SinkFailure, WriteReportsTheErrorOfItsFlush) {
  MemorySink sink({.fail_after_bytes = 100'000, .boundary_bytes = 4096});
  auto writer = PcapngWriter::start(sink, make_section(kInterfaces));
  ASSERT_TRUE(writer.has_value());
  const auto bytes = make_bytes(1000, 1);
  int failures = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    const auto result =
        writer->write({.interface = i % kInterfaces, .wire_length_bytes = 1000, .bytes = bytes});
    failures += result.has_value() ? 0 : 1;
  }
  EXPECT_EQ(failures, 3);
  EXPECT_GT(writer->delivered(0) + writer->delivered(1) + writer->delivered(2), 60U);
  expect_counts(*writer, sink.bytes());
  EXPECT_EQ(test::read_with_libpcap(sink.bytes()).error, "");
}

/// The kernel shortens writes at a file size limit, at any byte, before it refuses one.
TEST(SinkFailure, ShortWritesToAFileAtEveryByte) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path("f");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const std::uint64_t size = small_capture_bytes();
  for (std::uint64_t limit = 0; limit < size; ++limit) {
    SCOPED_TRACE(limit);
    auto sink = FileSink::open(path);
    ASSERT_TRUE(sink.has_value());
    const rlimit tight = {.rlim_cur = limit, .rlim_max = old.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    const auto writer = write_small_capture(*sink);
    const auto refused = sink->write(std::vector<std::uint8_t>(16));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);  // before anything else is written
    const auto file = test::read_file(path);
    ASSERT_EQ(file.size(), sink->written_bytes());
    if (!refused.has_value()) {
      EXPECT_EQ(refused.error().sys_errno, EFBIG);
    }
    if (writer.has_value()) {
      ASSERT_EQ(test::read_with_libpcap(
                    std::span(file).first(file.size() - (refused.has_value() ? 16 : 0)))
                    .error,
                "");
      expect_counts(*writer, std::span(file).first(file.size() - (refused.has_value() ? 16 : 0)));
    }
    ASSERT_TRUE(sink->finish().has_value());
  }
}

TEST(SinkFailure, FullDevice) {
  auto sink = FileSink::open("/dev/full");
  ASSERT_TRUE(sink.has_value());
  EXPECT_EQ(sink->block_boundary_bytes(), 0U);
  const auto writer = PcapngWriter::start(*sink, make_section(1));
  ASSERT_FALSE(writer.has_value());
  EXPECT_EQ(writer.error().code, Errc::Io);
  EXPECT_EQ(writer.error().sys_errno, ENOSPC);
  EXPECT_EQ(
      writer.error().message,
      "write to /dev/full: no space left on the file system; free some or choose another place");
  EXPECT_EQ(sink->written_bytes(), 0U);
}

}  // namespace
}  // namespace xdpcap
