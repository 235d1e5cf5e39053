// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/resource_faults/traffic.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace xdpcap::test {

Traffic::Traffic(const Rig& rig)
    : sender_(rig.sending()), delivered_(rig.delivered()), redirected_(rig.redirected()) {
  thread_ = std::thread([this] { run(); });
}

Traffic::~Traffic() {
  if (thread_.joinable()) {
    is_over_ = true;
    thread_.join();
  }
}

void Traffic::run() {
  constexpr Millis kPause(2);
  for (std::uint32_t number = 0; !is_over_ && trouble_.empty(); ++number) {
    trouble_ = send_round(number);
    ++rounds_;
    std::this_thread::sleep_for(kPause);
  }
}

// What was wrong with it, or nothing.
std::string Traffic::send_round(std::uint32_t number) const {
  const Bytes tx = order_frame(kTx, number);
  const Bytes redirect = order_frame(kRedirect, number);
  const Bytes pass = order_frame(kPass, number);
  sender_.send(std::vector<Bytes>{order_frame(kAborted, number), order_frame(kDrop, number), tx,
                                  redirect, pass});
  const auto is_at = [](const PacketSocket& socket, const Bytes& frame) {
    return socket.receive(1) == std::vector<Bytes>{frame} && socket.receive_rest().empty();
  };
  // The target sees packets in their order, so with this one there all have been seen.
  if (!is_at(delivered_, pass)) {
    return fmt::format("round {}: the stack did not get the passed packet and it alone", number);
  }
  if (!is_at(redirected_, redirect)) {
    return fmt::format("round {}: the neighbour did not get the redirected packet and it alone",
                       number);
  }
  if (!is_at(sender_, tx)) {
    return fmt::format("round {}: the sender did not get the bounced packet and it alone", number);
  }
  return "";
}

void Traffic::await_rounds(std::uint64_t rounds) const {
  const std::uint64_t start = rounds_;
  EXPECT_TRUE(becomes_true([&] { return rounds_ >= start + rounds; }));
}

std::uint64_t Traffic::stop() {
  is_over_ = true;
  thread_.join();
  EXPECT_EQ(trouble_, "");
  EXPECT_GT(rounds_, 0U);
  return packets();
}

}  // namespace xdpcap::test
