// SPDX-License-Identifier: BSD-3-Clause
//
// A command run beside the test, as a user runs it: arguments in, exit code and text out.
//
//     Process tcpdump({"tcpdump", "-r", file});
//     const Ended end = tcpdump.wait();          // ten seconds at most
//     EXPECT_EQ(end.exit_code, 0) << tcpdump.errors();
//
// What it prints goes to memory files, which can be read while it runs and never fill up; either
// stream can go to a descriptor of the test's instead, such as a pipe or a terminal.  The command
// is killed with the object, and by the kernel if the test dies first.

#pragma once

#include <base/unique_fd.h>
#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/testing/becomes_true.h"

namespace xdpcap::test {

using Millis = std::chrono::milliseconds;

/// How a command ended.
struct Ended {
  bool is_over = false;  ///< false: it still ran when the wait was over
  int exit_code = -1;    ///< -1 unless it exited on its own
  int signal = 0;        ///< the signal that ended it
};

/// Descriptors a command gets instead of nothing to read and memory files to write.
/// Ownership: borrowed for the time of the constructor.
struct Streams {
  int in = -1;
  int out = -1;
  int err = -1;
};

class Process {
 public:
  explicit Process(const std::vector<std::string>& command, const Streams& streams = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Waits until it ends, at most so long, times patience().
  Ended wait(Millis most = Millis(10'000));
  bool is_running() { return !wait(Millis(0)).is_over; }

  /// What it has printed so far, unless that went to a descriptor of the test's.
  std::string output() const;
  std::string errors() const;

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  UniqueFd out_;
  UniqueFd err_;
  Ended ended_;
};

/// What a command printed and how it ended.
struct Outcome {
  Ended end;
  std::string output;
  std::string errors;
};

/// Runs a command to its end, twenty seconds at most.
Outcome run(const std::vector<std::string>& command);

/// A pipe's ends, both closed on exec.
struct Pipe {
  Pipe();
  UniqueFd reader;
  UniqueFd writer;
};

/// Ends the test program: the machine refused something the test needs.
[[noreturn]] void give_up(const std::string& what);

}  // namespace xdpcap::test
