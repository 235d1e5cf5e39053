// SPDX-License-Identifier: BSD-3-Clause
//
// Writes texts from a thread of its own, the latest one when it cannot keep up.
//
// A capture publishes its numbers once a second to places that may be slow or stuck: a pipe nobody reads, a file on
// a network.  It must not wait for them, or its ring would fill meanwhile.  So put() only leaves the text here; one
// that is still waiting is replaced, since counters of a moment ago are of no use when newer ones are there.
//
// At its end the last text gets half a second.  A write that is still stuck then is left to the end of the process.
//
// Tested by: xdpcap/tests/command/latest_writer_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace xdpcap::cli {

class LatestWriter {
 public:
  /// `write` is called on the thread, once at a time; what it uses must live as long as the process, or be in it.
  /// Errors: Kernel when there can be no thread.
  static cbpfc::Result<LatestWriter> start(std::function<void(const std::string&)> write);
  LatestWriter(LatestWriter&&) noexcept = default;
  LatestWriter& operator=(LatestWriter&&) = delete;
  LatestWriter(const LatestWriter&) = delete;
  LatestWriter& operator=(const LatestWriter&) = delete;
  ~LatestWriter();

  /// Leaves `text` to be written.  Never waits for a write.
  void put(std::string text);

 private:
  struct Shared;
  explicit LatestWriter(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;
};

}  // namespace xdpcap::cli
