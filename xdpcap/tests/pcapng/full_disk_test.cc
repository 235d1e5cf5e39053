// SPDX-License-Identifier: BSD-3-Clause
//
// File systems that are full or read-only, mounted in a mount namespace of this process alone.

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <vector>

#include "xdpcap/pcapng/file_sink.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/tests/pcapng/capture_files.h"

namespace xdpcap {
namespace {

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << "run as root";
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mkdir(mount_point_.c_str(), 0755), 0);
    ASSERT_EQ(::mount("tmpfs", mount_point_.c_str(), "tmpfs", 0, "size=64k"), 0);
  }

  void TearDown() override { EXPECT_EQ(::umount2(mount_point_.c_str(), MNT_DETACH), 0); }

  test::TemporaryDirectory directory_;
  std::string mount_point_ = directory_.path("disk");
};

TEST_F(FullDisk, TheFileEndsWithTheLastWholePacket) {
  for (const std::uint32_t size : {1U, 60U, 999U, 1500U, 4000U, 9000U, 65535U}) {
    SCOPED_TRACE(size);
    const std::string path = mount_point_ + "/f";
    auto sink = FileSink::open(path);
    ASSERT_TRUE(sink.has_value());
    auto writer = PcapngWriter::start(*sink, test::make_section(2));
    ASSERT_TRUE(writer.has_value());
    const auto bytes = test::make_bytes(size, 1);
    Result<void> result;
    for (std::uint32_t i = 0; i < 20'000 && result.has_value(); ++i) {
      result = writer->write({.interface = i % 2, .wire_length_bytes = size, .bytes = bytes});
    }
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, Errc::Io);
    EXPECT_EQ(result.error().sys_errno, ENOSPC);
    EXPECT_EQ(result.error().message,
              "write to " + path +
                  ": no space left on the file system; free some or choose another place; it ends "
                  "with the last whole packet");
    const auto file = test::read_file(path);
    EXPECT_EQ(file.size(), sink->written_bytes());
    auto packets = test::packets_by_interface(file);
    EXPECT_EQ(writer->delivered(0), packets[0]);
    EXPECT_EQ(writer->delivered(1), packets[1]);
    EXPECT_EQ(test::read_with_libpcap(file).error, "");
    test::expect_tools_read(path);

    // The statistics still fit where the torn packet was, or are refused as a whole.
    (void)writer->write_statistics(std::vector<PcapngStatistics>(2));
    EXPECT_EQ(test::read_with_libpcap(test::read_file(path)).error, "");
    EXPECT_TRUE(sink->finish().has_value());
  }
}

TEST_F(FullDisk, ReadOnlyFileSystem) {
  ASSERT_EQ(::mount("none", mount_point_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const std::string path = mount_point_ + "/f";
  const auto sink = FileSink::open(path);
  ASSERT_FALSE(sink.has_value());
  EXPECT_EQ(sink.error().code, Errc::Permission);
  EXPECT_EQ(sink.error().message,
            "create output file " + path +
                ": the file system is mounted read-only; choose another place");
}

}  // namespace
}  // namespace xdpcap
