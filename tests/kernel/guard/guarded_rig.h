// SPDX-License-Identifier: BSD-3-Clause
//
// A hook that this process captures from, and a guardian of that capture in a process of its own.

#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attach/hook_capture.h"
#include "guard/message.h"
#include "kernel/program.h"
#include "support/becomes_true.h"
#include "support/bpf_fixture.h"
#include "support/temporary_directory.h"

namespace xdpcap::test {

inline constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};
inline constexpr std::chrono::milliseconds kPatience(5'000);
inline const std::vector<Action> kAllActions(kActions.begin(), kActions.end());

/// A hook whose owner returns the packet's byte 20, and a directory for sockets.
struct GuardedRig {
  static constexpr std::uint32_t kVerdictOffset = 20;

  /// Sends a packet, and expects its verdict.
  void send(Action action) const;
  HookCapture capture(std::vector<Action> actions = kAllActions, std::uint32_t filter = 1) const;
  std::vector<Action> filled() const;
  std::uint32_t map_id() const;
  /// Where a guardian that chose these digits has its socket.
  std::string socket(const std::string& digits) const {
    return run.path(fmt::format("{}.{}.sock", map_id(), digits));
  }
  /// Of guardians, living and dead.
  std::vector<std::string> sockets() const;

  BpfDirectory directory;
  xdpcap::test::TemporaryDirectory run;
  UniqueFd map = make_hook();
  UniqueFd target = load_target(map.get(), {.from_offset = kVerdictOffset}, kPlain);
  Hook hook = Hook::open(directory.pin(map.get(), "hook")).value();
};

/// A child process that runs run_guardian(), with nothing of this one but the socket.
class GuardianProcess {
 public:
  GuardianProcess();
  /// At its post.
  GuardianProcess(const GuardedRig& rig, const ChainPlace& place);
  GuardianProcess(const GuardianProcess&) = delete;
  GuardianProcess& operator=(const GuardianProcess&) = delete;
  ~GuardianProcess();

  pid_t pid() const { return pid_; }
  void say(MessageKind kind, const std::vector<std::string>& fields = {},
           const std::vector<int>& descriptors = {}) const;
  /// The next message, which must be of this kind.
  std::optional<Message> hear(MessageKind kind, std::chrono::milliseconds most = kPatience) const;
  std::string hear_notice() const;
  bool is_silent(std::chrono::milliseconds time) const;
  void close() { socket_.reset(); }
  int exit_code();

 private:
  pid_t pid_ = -1;
  UniqueFd socket_;
};

class GuardTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { require_root(); }
};

}  // namespace xdpcap::test
