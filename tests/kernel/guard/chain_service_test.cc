// SPDX-License-Identifier: BSD-3-Clause
//
// The parts of a chain, handed to captures that may not look them up; and the sockets for it.

#include "guard/chain_service.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "attach/join_chain.h"
#include "guarded_rig.h"
#include "kernel/map.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::GuardianProcess;
using test::kAllActions;
using test::kPlain;
using Rig = test::GuardedRig;

constexpr std::uint64_t kWithoutAdmin =
    std::uint64_t{1} << 38 | std::uint64_t{1} << 39 | std::uint64_t{1} << 12;

class ChainServiceTest : public test::GuardTest {};

ChainPlace join(const Rig& rig, const HookLock& lock, std::vector<Action> actions) {
  return join_chain(rig.hook, kPlain, lock,
                    {.actions = std::move(actions),
                     .command_line = "asks",
                     .ask_others = [&] { return ask_for_chain(rig.run.path(""), rig.hook); }})
      .value()
      .place;
}

TEST_F(ChainServiceTest, HandsTheChainToWhoMayNotLookItUp) {
  const Rig rig;
  const HookCapture first = rig.capture();
  const GuardianProcess guardian(rig, first.place());
  const HookLock lock;
  {
    const test::ReducedCapabilities few(kWithoutAdmin);
    HookCapture second = HookCapture::prepare(rig.hook, kPlain, join(rig, lock, kAllActions),
                                              test::constant_filter(1),
                                              {.actions = kAllActions, .counts_only = true})
                             .value();
    ASSERT_TRUE(second.enter());
    EXPECT_EQ(first.place().chain().members().size(), 2U);
    for (const Action action : kActions) {
      rig.send(action);
      EXPECT_EQ(first.counters().value()[index(action)].received, 1U);
      EXPECT_EQ(second.counters().value()[index(action)].received, 1U);
    }
    ASSERT_TRUE(second.detach());
  }
  rig.send(Action::Pass);
  EXPECT_EQ(first.counters().value()[2].received, 2U);
  EXPECT_EQ(rig.filled(), kAllActions);
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// A socket at `path`, which goes on being there when it is closed.
UniqueFd bind_at(const std::string& path, bool listens) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_TRUE(!listens || ::listen(fd.get(), 4) == 0);
  return fd;
}

TEST_F(ChainServiceTest, SocketsOfTheDeadAreRemovedAndOthersLeftAlone) {
  const Rig rig;
  const std::string dead = rig.socket("0123456789abcdef");
  const std::string of_another_hook = rig.run.path(fmt::format("{}1.1.sock", rig.map_id()));
  const std::string other_file = rig.run.path(fmt::format("{}.text", rig.map_id()));
  bind_at(dead, true);
  bind_at(of_another_hook, true);
  std::ofstream(other_file) << "x";
  EXPECT_FALSE(ask_for_chain(rig.run.path(""), rig.hook));
  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_TRUE(std::filesystem::exists(of_another_hook));
  EXPECT_TRUE(std::filesystem::exists(other_file));
  EXPECT_FALSE(ask_for_chain(rig.run.path("none"), rig.hook));
}

TEST_F(ChainServiceTest, WhoDoesNotAnswerIsPassedOver) {
  const Rig rig;
  const std::string path = rig.socket("1");
  const UniqueFd silent = bind_at(path, true);
  const auto before = steady_clock::now();
  EXPECT_FALSE(ask_for_chain(rig.run.path(""), rig.hook));
  EXPECT_LT(steady_clock::now() - before, milliseconds(1'000));
  EXPECT_TRUE(std::filesystem::exists(path)) << "it lives";
  const HookCapture capture = rig.capture();
  const GuardianProcess guardian(rig, capture.place());
  const std::optional<ChainParts> parts = ask_for_chain(rig.run.path(""), rig.hook);
  ASSERT_TRUE(parts);
  EXPECT_EQ(map_info(parts->state.get())->id, map_info(capture.place().chain().state_fd())->id);
}

/// Child processes are the first of a PID namespace, as in a container, until this goes.
class Container {
 public:
  Container() { EXPECT_EQ(::unshare(CLONE_NEWPID), 0); }
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  ~Container() { EXPECT_EQ(::setns(ours_.get(), CLONE_NEWPID), 0); }

 private:
  UniqueFd ours_{::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC)};
};

std::unique_ptr<GuardianProcess> guardian_in_container(const Rig& rig, const ChainPlace& place) {
  const Container container;
  return std::make_unique<GuardianProcess>(rig, place);
}

TEST_F(ChainServiceTest, GuardiansOfContainersWithTheSameProcessIdsShareTheDirectory) {
  const Rig rig;
  const HookCapture first = rig.capture({Action::Drop});
  const HookCapture second = rig.capture({Action::Pass});
  const HookCapture third = rig.capture({Action::Tx});
  const auto killed = guardian_in_container(rig, first.place());
  const auto living = guardian_in_container(rig, second.place());
  EXPECT_EQ(rig.sockets().size(), 2U);
  ASSERT_EQ(::kill(killed->pid(), SIGKILL), 0);
  EXPECT_NE(killed->exit_code(), 0);
  EXPECT_EQ(rig.sockets().size(), 2U);
  const auto late = guardian_in_container(rig, third.place());
  EXPECT_EQ(rig.sockets().size(), 2U) << "the dead one's was not removed, or not only that";
  EXPECT_TRUE(ask_for_chain(rig.run.path(""), rig.hook));
}

TEST_F(ChainServiceTest, TheSocketIsItsUsersOnly) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  const GuardianProcess guardian(rig, capture.place());
  struct stat status{};
  ASSERT_EQ(rig.sockets().size(), 1U);
  ASSERT_EQ(::stat(rig.sockets().front().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(ChainServiceTest, GuardsWithoutADirectoryForSockets) {
  const Rig rig;
  std::filesystem::remove_all(rig.run.path(""));
  std::ofstream(rig.run.path("").substr(0, rig.run.path("").size() - 1)) << "a file";
  const HookCapture capture = rig.capture();
  GuardianProcess guardian(rig, capture.place());
  guardian.close();
  EXPECT_EQ(guardian.exit_code(), 0);
  EXPECT_TRUE(rig.filled().empty());
}

}  // namespace
}  // namespace xdpcap
