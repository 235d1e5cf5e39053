// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/input/filter_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/testing/temporary_directory.h"
#include "cbpfc/input/filter_text.h"

namespace xdpcap {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

void put(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

class FilterFileTest : public ::testing::Test {
 protected:
  FilterFileTest() {
    put(path_, "tcp");
    ::alarm(20);  // nothing here waits
  }
  ~FilterFileTest() override { ::alarm(0); }
  FilterFile find(const std::string& path) const {
    auto file = FilterFile::find(path, {});
    EXPECT_TRUE(file) << file.error().message;
    return *std::move(file);
  }
  static void expect_text(const Result<std::string>& text, const std::string& wanted) {
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_EQ(*text, wanted);
  }
  static void expect_error(const Result<std::string>& text, const std::string& words) {
    ASSERT_FALSE(text) << *text;
    EXPECT_THAT(text.error().message, HasSubstr(words));
  }

  test::TemporaryDirectory directory_;
  std::string path_ = directory_.path("filter");
};

TEST_F(FilterFileTest, IsReadAgainAsItIsThen) {
  const FilterFile file = find(path_);
  expect_text(file.read(), "tcp");
  put(path_, "udp");
  expect_text(file.read_again(), "udp");
  put(directory_.path("new"), "icmp");
  fs::rename(directory_.path("new"), path_);
  expect_text(file.read_again(), "icmp");
  fs::remove(path_);
  expect_error(file.read_again(), "read " + path_ + ": No such file or directory");
  put(path_, "arp");
  expect_text(file.read_again(), "arp");
}

TEST_F(FilterFileTest, IsReadInItsDirectory) {
  fs::create_directory(directory_.path("a"));
  put(directory_.path("a/filter"), "tcp");
  const FilterFile file = find(directory_.path("a/filter"));
  fs::rename(directory_.path("a"), directory_.path("b"));
  fs::create_directory(directory_.path("a"));
  put(directory_.path("a/filter"), "udp");
  expect_text(file.read_again(), "tcp");
}

// Signals are blocked by then, so a wait would be for ever.
TEST_F(FilterFileTest, WhatIsNotARegularFileAnyMoreIsNotRead) {
  const FilterFile file = find(path_);
  const std::string words =
      "it is not a regular file, as it has to be for a capture that is running";
  fs::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0666), 0);
  expect_error(file.read_again(), words);
  fs::remove(path_);
  ASSERT_EQ(::mknod(path_.c_str(), S_IFCHR | 0666, ::makedev(1, 5)), 0) << "run as root";
  expect_error(file.read_again(), words);
  fs::remove(path_);
  fs::create_directory(path_);
  expect_error(file.read_again(), words);
  fs::remove(path_);
  put(path_, "udp");
  expect_text(file.read_again(), "udp");
}

// As Kubernetes has it: filter -> ..data/filter, ..data -> ..2, and then -> ..3.
TEST_F(FilterFileTest, LinksAreFollowedAnewInItsDirectory) {
  const auto publish = [this](const std::string& version, const std::string& text) {
    fs::create_directory(directory_.path(version));
    put(directory_.path(version + "/filter"), text);
    fs::create_symlink(version, directory_.path("..new"));
    fs::rename(directory_.path("..new"), directory_.path("..data"));
  };
  publish("..2", "tcp");
  fs::remove(path_);
  fs::create_symlink("..data/filter", path_);
  const FilterFile file = find(path_);
  expect_text(file.read(), "tcp");
  publish("..3", "udp");
  fs::remove_all(directory_.path("..2"));
  expect_text(file.read_again(), "udp");
}

TEST_F(FilterFileTest, LinksDoNotLeadOutOfItsDirectory) {
  const std::string outside = directory_.path("outside");
  put(outside, "host secret");
  fs::create_directory(directory_.path("in"));
  const std::string path = directory_.path("in/filter");
  put(path, "tcp");
  fs::create_symlink("..", directory_.path("in/up"));
  const FilterFile file = find(path);
  for (const std::string& target : {outside, std::string("../outside"), std::string("up/outside"),
                                    std::string("/proc/self/environ")}) {
    fs::remove(path);
    fs::create_symlink(target, path);
    expect_error(file.read_again(), "it is a symbolic link that leads out of its directory");
  }
  // In the beginning there is no such limit.
  fs::remove(path);
  fs::create_symlink(outside, path);
  const FilterFile linked = find(path);
  expect_text(linked.read(), "host secret");
  expect_error(linked.read_again(), "leads out of its directory");
}

TEST_F(FilterFileTest, LinksThatOthersMayHavePutThereAreNotFollowed) {
  fs::create_directory(directory_.path("shared"));
  ASSERT_EQ(::chmod(directory_.path("shared").c_str(), 01777), 0);
  const std::string path = directory_.path("shared/filter");
  put(path, "tcp");
  put(directory_.path("shared/other"), "udp");
  const FilterFile file = find(path);
  fs::remove(path);
  fs::create_symlink("other", path);
  expect_error(file.read_again(), "is a symbolic link that others may have put there");
  const auto linked = FilterFile::find(path, {});
  ASSERT_FALSE(linked);
  EXPECT_THAT(linked.error().message,
              HasSubstr("read " + path + ": " + path + " is a symbolic link that others may"));
}

TEST_F(FilterFileTest, APipeIsReadOnce) {
  const std::string pipe = directory_.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const FilterFile file = find(pipe);
  EXPECT_FALSE(file.can_be_read_again());
  std::thread writer([&] { put(pipe, "tcp"); });
  expect_text(file.read(), "tcp");
  writer.join();
  expect_error(file.read_again(), pipe + " cannot be read again");
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "udp", 3), 3);
  ::close(ends[1]);
  const FilterFile shells = find(fmt::format("/dev/fd/{}", ends[0]));
  expect_text(shells.read(), "udp");
  expect_error(shells.read_again(), "cannot be read again");
  ::close(ends[0]);
}

TEST_F(FilterFileTest, IsNotLargerThanAFilter) {
  fs::resize_file(path_, command::kMostFilterBytes + 1);
  const FilterFile file = find(path_);
  expect_error(file.read(), "read " + path_ + ": it has more than 16 MiB, the most for a filter");
  expect_error(file.read_again(), "it has more than 16 MiB");
  fs::resize_file(path_, command::kMostFilterBytes);
  EXPECT_TRUE(file.read_again());
}

TEST_F(FilterFileTest, IsReadWithTheRightsThatAreLeft) {
  ASSERT_EQ(::chmod(directory_.path(".").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
  const FilterFile file = find(path_);
  ASSERT_EQ(::seteuid(1000), 0) << "run as root";
  const auto text = file.read_again();
  ASSERT_EQ(::seteuid(0), 0);
  expect_error(text, "read " + path_ +
                         ": Permission denied; a running capture reads what user 1000 may read "
                         "without capabilities");
}

TEST(FilterText, KnowsWhereInTheFileItsPartsAre) {
  const command::FilterText expression =
      command::parse_filter_text("# ours\n\n  ip and # version 4\n\t udp # x\nport");
  ASSERT_EQ(expression.text, "ip and udp port");
  EXPECT_EQ(expression.describe(0), "line 3, column 3");
  EXPECT_EQ(expression.describe(3), "line 3, column 6");
  EXPECT_EQ(expression.describe(7), "line 4, column 3");
  EXPECT_EQ(expression.describe(11), "line 5, column 1");
  EXPECT_EQ(expression.describe(15), "line 5, column 5");
  EXPECT_EQ(command::parse_filter_text("").describe(0), "line 1, column 1");
  const command::FilterText program =
      command::parse_filter_text("# ours\n \n  1\n# more\n6 0 0 x\n");
  ASSERT_EQ(program.text, "1\n6 0 0 x");
  EXPECT_EQ(program.describe(0), "line 3, column 3");
  EXPECT_EQ(program.describe(2), "line 5, column 1");
  EXPECT_EQ(program.describe(8), "line 5, column 7");
}

}  // namespace
}  // namespace xdpcap
