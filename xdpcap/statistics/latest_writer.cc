// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/statistics/latest_writer.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/thread.h"

namespace xdpcap::cli {

struct LatestWriter::Shared {
  std::function<void(const std::string&)> write;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<std::string> next;
  bool is_ending = false;
  bool is_over = false;

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return next || is_ending; });
      if (!next) {
        break;
      }
      const std::string text = *std::exchange(next, std::nullopt);
      lock.unlock();
      write(text);
      lock.lock();
    }
    is_over = true;
    changed.notify_all();
  }
};

cbpfc::Result<LatestWriter> LatestWriter::start(std::function<void(const std::string&)> write) {
  auto shared = std::make_shared<Shared>();
  shared->write = std::move(write);
  // Signals that stop a capture are blocked by now, and so in this thread.
  std::thread thread = TRY(start_thread("write statistics", [shared] { shared->run(); }));
  thread.detach();
  return LatestWriter(std::move(shared));
}

LatestWriter::~LatestWriter() {
  constexpr std::chrono::milliseconds kPatience{500};
  if (!shared_) {
    return;  // moved from
  }
  std::unique_lock lock(shared_->mutex);
  shared_->is_ending = true;
  shared_->changed.notify_all();
  shared_->changed.wait_for(lock, kPatience, [this] { return shared_->is_over; });
}

void LatestWriter::put(std::string text) {
  const std::lock_guard lock(shared_->mutex);
  shared_->next = std::move(text);
  shared_->changed.notify_all();
}

}  // namespace xdpcap::cli
