// SPDX-License-Identifier: BSD-3-Clause
//
// What every attack here must not achieve: a packet with another verdict, a capture that misses packets, something left on the hook.
//
//     attack();
//     Watched capture(stage());          // counts; in the hook when the constructor returns
//     start_traffic();
//     ...
//     capture.expect_saw(stop_traffic());
//
// At the end of a test every frame must have got its verdict, and nothing may be left.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "xdpcap/tests/kernel/faults/traffic.h"
#include "xdpcap/tests/kernel/resource_faults/stage.h"

namespace xdpcap::test {

/// A capture that counts, alone on the hook when it starts.
class Watched {
 public:
  explicit Watched(const Stage& stage, const std::vector<std::string>& options = {});
  /// The same, started by another command.
  Watched(const Stage& stage, const std::vector<std::string>& command, int);

  Process& process() { return process_; }
  pid_t pid() const { return process_.pid(); }
  /// Its child.  Fails the test if there is none.
  pid_t guardian() const;
  /// Expects that it still runs, ends it, and expects that it received every frame of `tally`.
  void expect_saw(const Tally& tally);
  /// What it printed at its end: packets received.
  std::uint64_t received() const;

 private:
  void await_entry(const Stage& stage);

  Process process_;
};

class AttackTest : public ResourceFaults {
 protected:
  void SetUp() override;
  void TearDown() override;

  const Stage& stage() const { return *stage_; }
  const std::string& hook() const { return stage_->rig().hook(); }
  int hook_fd() const { return stage_->hook_fd(); }
  /// The directory that captures of root share, beside the hook's pin.
  std::string shared_directory() const { return hook() + "-xdpcap-0"; }

  void start_traffic();
  Traffic& traffic() { return *traffic_; }
  /// All that was sent in the test.  Expects that every frame got its verdict.
  Tally stop_traffic();

  /// xdpcap -c 500 HOOK FILE.
  std::vector<std::string> some_packets(std::vector<std::string> options = {}) const;
  /// Expects that the command captures 500 packets, while there is traffic.
  void expect_captures(const std::vector<std::string>& command) const;
  void expect_captures() const { expect_captures(some_packets()); }

 private:
  std::optional<Stage> stage_;
  std::optional<Traffic> traffic_;
};

}  // namespace xdpcap::test
