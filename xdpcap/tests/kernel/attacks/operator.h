// SPDX-License-Identifier: BSD-3-Clause
//
// A second operator: a process of another user with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, who may load programs of their own, and has no
// right to the hook.
//
//     Operator attacker({[] { load_something(); }, [] { change_it(); }});   // the first step is done when it returns
//     attacker.go_on();                                                     // the second
//
// It keeps what the steps have made, in variables that outlive them, until the object goes.

#pragma once

#include <base/unique_fd.h>
#include <sys/types.h>

#include <functional>
#include <vector>

namespace xdpcap::test {

class Operator {
 public:
  static constexpr uid_t kUser = 64'322;

  /// The steps run in a child without the descriptors of this process; one that fails ends it with die().
  explicit Operator(std::vector<std::function<void()>> steps);
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;
  ~Operator();

  /// Runs the next step.  Expects that it succeeds.
  void go_on();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  UniqueFd socket_;
};

/// For a step: takes over a descriptor and keeps it until the process ends.
void keep(UniqueFd fd);

}  // namespace xdpcap::test
