// SPDX-License-Identifier: BSD-3-Clause
//
// The reader of a live case: a child process that captures, from its readiness to its end.

#pragma once

#include <cbpfc/result.h>

#include <string>

#include "bench/live/live_cases.h"
#include "bench/live/live_stage.h"
#include "bench/support/child_process.h"

namespace bench {

struct ReaderMemory {
  std::uint64_t most_resident_bytes = 0;
  std::uint64_t resident_ring_bytes = 0;
  std::uint64_t resident_bytes = 0;
};

class LiveReader {
 public:
  /// Starts it, on other CPUs than the calling thread's; it captures when this returns.
  /// Errors: Errc::Kernel with what it printed.
  static cbpfc::Result<LiveReader> start(const LiveStage& stage, const LiveCase& what,
                                         const std::string& xdpcap, const std::string& output);

  /// Lets it take what is there, stops it, and returns what it used.
  /// Errors: Errc::Kernel when it fails or does not end.
  cbpfc::Result<ChildEnd> stop();

  cbpfc::Result<double> cpu_seconds() const { return process_.cpu_seconds(); }
  /// Errors: Errc::Io.
  cbpfc::Result<ReaderMemory> memory() const;
  bool is_running() { return process_.is_running(); }
  pid_t pid() const { return process_.pid(); }
  std::string text() const { return process_.text(); }

 private:
  LiveReader(ReaderKind kind, ChildProcess process) : kind_(kind), process_(std::move(process)) {}
  cbpfc::Result<void> await_start(const LiveStage& stage);
  bool captures(const LiveStage& stage) const;

  ReaderKind kind_;
  ChildProcess process_;
};

}  // namespace bench
