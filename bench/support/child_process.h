// SPDX-License-Identifier: BSD-3-Clause
//
// A child process: started, stopped by a signal, and what it used.
//
// The tests' Process (xdpcap/tests/kernel/end_to_end/process.h) ends its program when the machine refuses something; here
// that is an Error, and the child can be a function as well, is put beside the generator's CPU, and leaves its usage.
//
// Ownership: the child is killed with the object, and by the kernel if this process dies first.

#pragma once

#include <cbpfc/result.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace bench {

struct Placement {
  int network_namespace_fd = -1;  ///< -1: the caller's
  int off_cpu = -1;               ///< runs on every CPU but this one; -1: where the caller may run
};

struct ChildEnd {
  int exit_code = -1;  ///< -1 unless it exited on its own
  double cpu_seconds = 0;
  std::uint64_t most_resident_bytes =
      0;  ///< with mapped ring buffers, whose pages count each time they are mapped
};

class ChildProcess {
 public:
  /// Errors: Errc::Kernel.
  static cbpfc::Result<ChildProcess> start(const std::vector<std::string>& command,
                                           const Placement& placement);
  /// Runs `function` in a copy of this process, which must have no other threads; its value is the exit code.
  static cbpfc::Result<ChildProcess> start(const std::string& name,
                                           const std::function<int()>& function,
                                           const Placement& placement);

  ChildProcess(ChildProcess&&) = default;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Errors: Errc::Kernel when it still runs after `most`.
  cbpfc::Result<ChildEnd> wait(std::chrono::milliseconds most);
  bool is_running();
  /// Processor time of all its threads so far.
  cbpfc::Result<double> cpu_seconds() const;
  /// What it has printed so far, on either stream.
  std::string text() const;

 private:
  ChildProcess() = default;
  bool reap(std::chrono::milliseconds most);

  std::string name_;
  pid_t pid_ = -1;
  xdpcap::UniqueFd pidfd_;
  xdpcap::UniqueFd text_;
  std::optional<ChildEnd> end_;
};

/// Runs a command to its end.
/// Errors: Errc::Kernel with what it printed when it fails or takes more than ten seconds.
cbpfc::Result<void> run_command(const std::vector<std::string>& command);

}  // namespace bench
