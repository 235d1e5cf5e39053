// SPDX-License-Identifier: BSD-3-Clause

#include "guarded_rig.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "guard/guardian.h"
#include "kernel/map.h"

namespace xdpcap::test {

void GuardedRig::send(Action action) const {
  std::vector<std::uint8_t> packet = make_packet(60);
  packet[kVerdictOffset] = static_cast<std::uint8_t>(action);
  EXPECT_EQ(test_run(target.get(), packet).action, static_cast<std::uint32_t>(action));
}

HookCapture GuardedRig::capture(std::vector<Action> actions, std::uint32_t filter) const {
  return HookCapture::attach(hook, constant_filter(filter),
                             {.actions = std::move(actions), .counts_only = true})
      .value();
}

std::vector<Action> GuardedRig::filled() const {
  std::vector<Action> filled;
  std::ranges::copy_if(kActions, std::back_inserter(filled),
                       [this](Action action) { return hook.holder(action)->has_value(); });
  return filled;
}

std::uint32_t GuardedRig::map_id() const {
  return map_info(map.get())->id;
}

std::vector<std::string> GuardedRig::sockets() const {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(run.path(""))) {
    if (entry.is_socket()) {
      paths.push_back(entry.path());
    }
  }
  return paths;
}

GuardianProcess::GuardianProcess() {
  auto [ours, theirs] = make_message_sockets().value();
  pid_ = ::fork();
  if (pid_ == 0) {
    if (theirs.get() != kGuardianSocket) {
      ::dup2(theirs.get(), kGuardianSocket);
    }
    ::close_range(kGuardianSocket + 1, ~0U, 0);
    ::_exit(run_guardian(kGuardianSocket));
  }
  socket_ = std::move(ours);
}

GuardianProcess::GuardianProcess(const GuardedRig& rig, const ChainPlace& place)
    : GuardianProcess() {
  std::vector<int> descriptors = place.chain().descriptors();
  descriptors.push_back(rig.hook.fd());
  say(MessageKind::Start,
      {rig.hook.path(), rig.run.path(""), fmt::format("{}", place.position()),
       fmt::format("{}", place.process().pid), fmt::format("{}", place.process().start_time_ticks),
       fmt::format("{}", place.process().pid_namespace)},
      descriptors);
  EXPECT_TRUE(hear(MessageKind::Ready));
}

GuardianProcess::~GuardianProcess() {
  close();
  exit_code();
}

void GuardianProcess::say(MessageKind kind, const std::vector<std::string>& fields,
                          const std::vector<int>& descriptors) const {
  EXPECT_TRUE(send_message(socket_.get(), kind, fields, descriptors));
}

std::optional<Message> GuardianProcess::hear(MessageKind kind,
                                             std::chrono::milliseconds most) const {
  Result<std::optional<Message>> message = receive_message(socket_.get(), most);
  if (!message || !*message) {
    ADD_FAILURE() << (message ? "it has closed the socket" : message.error().message);
    return std::nullopt;
  }
  EXPECT_EQ((*message)->kind, kind) << ((*message)->fields.empty() ? "" : (*message)->fields[0]);
  return std::move(*message);
}

std::string GuardianProcess::hear_notice() const {
  const std::optional<Message> message = hear(MessageKind::Notice);
  return message && !message->fields.empty() ? message->fields[0] : "";
}

bool GuardianProcess::is_silent(std::chrono::milliseconds time) const {
  return !receive_message(socket_.get(), time) /* none came */;
}

int GuardianProcess::exit_code() {
  int status = -1;
  if (pid_ > 0) {
    ::waitpid(std::exchange(pid_, -1), &status, 0);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace xdpcap::test
