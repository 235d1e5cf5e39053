// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/faults/traffic.h"

#include <algorithm>
#include <memory>
#include <numeric>

namespace xdpcap::test {

std::uint64_t Tally::sent() const {
  return std::accumulate(by_action.begin(), by_action.end(), std::uint64_t{0});
}

Traffic::Traffic(const Rig& rig, const TrafficOptions& options)
    : rig_(rig), options_(options), thread_([this] { run(); }) {}

Traffic::~Traffic() {
  static_cast<void>(stop());
}

Tally Traffic::tally() const {
  const std::lock_guard turn(turn_);
  return tally_;
}

void Traffic::use_size(std::uint32_t frame_bytes) {
  const std::lock_guard turn(turn_);
  frame_bytes_ = frame_bytes;
}

void Traffic::await_more(std::uint64_t frames) const {
  const std::uint64_t wanted = tally().sent() + frames;
  EXPECT_TRUE(becomes_true([&] { return tally().sent() >= wanted; }));
}

Tally Traffic::stop() {
  is_over_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
  return tally_;
}

// In the sender's network namespace.
Traffic::Send Traffic::sender() const {
  const std::uint32_t batch = options_.batch_frames;
  if (has_multi_buffer()) {
    return [batch, generator = std::make_shared<Generator>(rig_.sender_ifindex())](
               const Bytes& frame) { generator->send(frame, batch); };
  }
  return [batch, socket = std::make_shared<PacketSocket>(rig_.sender(), "to_b")](
             const Bytes& frame) { socket->send(std::vector<Bytes>(batch, frame)); };
}

void Traffic::run() {
  const VerdictCounter counter(rig_.observed(), "to_a");
  const auto inside = rig_.sender().enter();
  const Send send = sender();
  for (std::uint32_t action = 0; !is_over_; action = (action + 1) % kTrafficActions) {
    send_batch(send, counter, action);
    std::this_thread::sleep_for(options_.pause * patience());
  }
}

void Traffic::send_batch(const Send& send, const VerdictCounter& counter, std::uint32_t action) {
  const std::lock_guard turn(turn_);
  const std::uint64_t batch = options_.batch_frames;
  const VerdictCounts before = counter.read();
  send(order_frame(action, 1, frame_bytes_));
  VerdictCounts after = counter.read();
  const auto deadline = std::chrono::steady_clock::now() + Millis(1'000) * patience();
  while (after.arrived - before.arrived < batch && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
    after = counter.read();
  }
  tally_.by_action[action] += batch;
  tally_.wrong += batch - std::min(batch, after.with(action) - before.with(action));
}

}  // namespace xdpcap::test
