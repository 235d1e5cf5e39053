// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/statistics/latest_writer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <mutex>
#include <vector>

namespace xdpcap::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What was written, which may outlive a writer that is stuck.
struct Written {
  std::mutex mutex;
  std::vector<std::string> texts;

  void add(const std::string& text) {
    const std::lock_guard lock(mutex);
    texts.push_back(text);
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex);
    return texts;
  }
};

TEST(LatestWriter, WritesWhatItGets) {
  const auto written = std::make_shared<Written>();
  {
    LatestWriter writer =
        LatestWriter::start([written](const std::string& text) { written->add(text); }).value();
    writer.put("only");
  }
  EXPECT_EQ(written->all(), (std::vector<std::string>{"only"}));
}

TEST(LatestWriter, KeepsTheLatestWhileAWriteTakesLong) {
  const auto written = std::make_shared<Written>();
  const auto started = std::make_shared<std::promise<void>>();
  const auto release = std::make_shared<std::promise<void>>();
  {
    LatestWriter writer = LatestWriter::start([=](const std::string& text) {
                            if (text == "first") {
                              started->set_value();
                              release->get_future().wait();
                            }
                            written->add(text);
                          }).value();
    writer.put("first");
    started->get_future().wait();
    const auto before = steady_clock::now();
    writer.put("replaced");
    writer.put("last");
    EXPECT_LT(steady_clock::now() - before, milliseconds(100));
    release->set_value();
  }
  EXPECT_EQ(written->all(), (std::vector<std::string>{"first", "last"}));
}

TEST(LatestWriter, DoesNotWaitForAWriteThatIsStuck) {
  const auto release = std::make_shared<std::promise<void>>();
  const auto before = steady_clock::now();
  {
    LatestWriter writer = LatestWriter::start([release](const std::string&) {
                            release->get_future().wait();
                          }).value();
    writer.put("stuck");
  }
  const auto taken = steady_clock::now() - before;
  EXPECT_GE(taken, milliseconds(400));
  EXPECT_LT(taken, milliseconds(1500));
  release->set_value();
}

}  // namespace
}  // namespace xdpcap::cli
