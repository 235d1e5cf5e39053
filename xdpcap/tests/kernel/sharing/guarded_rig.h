// SPDX-License-Identifier: BSD-3-Clause
//
// A capture of this process, and its guardian.

#pragma once

#include <cbpfc/cbpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/testing/becomes_true.h"
#include "xdpcap/sharing/guardian.h"
#include "xdpcap/tests/kernel/sharing/chain_rig.h"

namespace xdpcap::test {

inline const std::chrono::milliseconds kPatience = std::chrono::milliseconds(5'000) * patience();

struct GuardedSetup {
  std::vector<Action> actions = kAllActions;
  std::uint32_t filter = 1;
  OnBusy on_busy = OnBusy::Chain;
  bool explains = false;
  int filter_fd = -1;
  int output_fd = -1;
};

/// Only counts.
struct Guarded {
  explicit Guarded(const ChainRig& rig, const GuardedSetup& setup = {})
      : filter(constant_filter(setup.filter)),
        maps(HookCapture::prepare(rig.hook, kPlain, {.actions = setup.actions, .counts_only = true})
                 .value()),
        options{.hook = rig.hook,
                .filter = filter,
                .join = {.actions = setup.actions,
                         .command_line = "guarded",
                         .filter = "the filter",
                         .pid = static_cast<std::uint32_t>(::getpid()),
                         .on_busy = setup.on_busy},
                .explains = setup.explains,
                .filter_fd = setup.filter_fd,
                .output_fd = setup.output_fd},
        guardian(Guardian::start(maps, options).value()) {}

  /// Into the slots.
  void enter() {
    const Result<std::string> placed = guardian.ask(std::nullopt);
    ASSERT_TRUE(placed) << placed.error().message;
    const Result<std::string> entered = guardian.ask(MessageKind::Enter);
    ASSERT_TRUE(entered) << entered.error().message;
  }
  /// Waits until the guardian has ended, too, and has tidied up.
  Result<std::string> leave() {
    Result<std::string> left = guardian.ask(MessageKind::Leave);
    ::waitpid(guardian.pid(), nullptr, 0);
    return left;
  }
  /// The text of the next message, which must be of this kind.
  std::string hear(MessageKind kind) {
    std::optional<Message> message;
    EXPECT_TRUE(becomes_true([&] { return (message = guardian.hear()).has_value(); }));
    const std::string text = message ? message->text.value_or("") : "";
    EXPECT_TRUE(message && message->kind == kind && message->text) << text;
    return text;
  }
  /// The next message, which must be of this kind and an error.
  Error hear_error(MessageKind kind) {
    std::optional<Message> message;
    EXPECT_TRUE(becomes_true([&] { return (message = guardian.hear()).has_value(); }));
    const bool is_error = message && message->kind == kind && !message->text;
    EXPECT_TRUE(is_error) << (message ? message->text.value_or("") : "");
    return is_error ? message->text.error() : Error{};
  }
  bool is_silent(std::chrono::milliseconds time) {
    std::this_thread::sleep_for(time);
    return !guardian.hear().has_value();
  }
  std::uint64_t received(Action action = Action::Pass) const {
    return test::received(maps, action);
  }

  cbpfc::Filter filter;
  HookCapture maps;
  GuardianOptions options;
  Guardian guardian;
};

class GuardTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { require_root(); }
};

}  // namespace xdpcap::test
