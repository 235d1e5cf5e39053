// SPDX-License-Identifier: BSD-3-Clause
//
// Root's captures share a directory beside the hook's pin.  Another user may write there: that user was first, and has put something of that
// name there; or renames what root has made, and puts something else in its place.
//
// Root's capture works, or says what is wrong with which path.  No verdict changes, and nothing that root's captures have not made is removed.

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xdpcap/kernel/map.h>
#include <xdpcap/program/chain_state.h>

#include <filesystem>
#include <random>
#include <span>

#include "xdpcap/tests/kernel/attacks/attack_test.h"
#include "xdpcap/tests/kernel/attacks/operator.h"

namespace xdpcap::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

namespace fs = std::filesystem;

constexpr uid_t kOther = Operator::kUser;

void give(const std::string& path) {
  ASSERT_EQ(::lchown(path.c_str(), kOther, kOther), 0) << path;
}

void make_directory(const std::string& path, mode_t mode) {
  ASSERT_EQ(::mkdir(path.c_str(), 0700), 0) << path;
  ASSERT_EQ(::chmod(path.c_str(), mode), 0) << path;
}

void pin(int fd, const std::string& path) {
  ASSERT_EQ(bpf_obj_pin(fd, path.c_str()), 0) << path;
}

/// Programs of the attacker, which drop, in every place of an array.
UniqueFd make_dropping_array(std::uint32_t entries) {
  UniqueFd array = make_hook(entries);
  const UniqueFd drops =
      load_returning(kDrop, {.expected_attach_type = 37, .multi_buffer = false}, "xdpcap_pass");
  for (std::uint32_t i = 0; i < entries; ++i) {
    bpf_map_update_elem(array.get(), &i, std::array<int, 1>{drops.get()}.data(), BPF_ANY);
  }
  return array;
}

UniqueFd make_random_array(std::uint32_t value_bytes, const char* name = "state") {
  UniqueFd array = create_mappable_array(name, value_bytes, 1).value();
  std::vector<std::byte> value(value_bytes);
  std::mt19937 random(15);
  for (std::byte& byte : value) {
    byte = static_cast<std::byte>(random());
  }
  static_cast<void>(put_value(array.get(), 0, value).value());
  return array;
}

/// What captures of this version share, with random numbers behind what shows whose it is.
UniqueFd make_random_state(int hook_fd) {
  UniqueFd array = make_random_array(chain::kStateBytes, chain::kStateMapName);
  const Mapping mapping =
      map_pages(array.get(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0).value();
  auto* const state = static_cast<chain::ChainState*>(mapping.get());
  state->magic = chain::kMagic;
  state->version = chain::kVersion;
  state->hook_map_id = map_info(hook_fd)->id;
  return array;
}

/// What stands at the place of the shared directory before root comes.
struct Obstacle {
  const char* name;
  void (*put)(const std::string& place, const std::string& elsewhere, int hook_fd);
};

void PrintTo(const Obstacle& obstacle, std::ostream* stream) {
  *stream << obstacle.name;
}

void fill_with_pins(const std::string& directory) {
  pin(make_dropping_array(chain::kProgramKeys).get(), directory + "/programs");
  pin(make_random_array(4096).get(), directory + "/state");
  make_directory(directory + "/7", 0700);
  make_directory(directory + "/foreign", 0700);
  pin(load_returning(kDrop, {.expected_attach_type = 37, .multi_buffer = false}, "xdpcap_pass")
          .get(),
      directory + "/7/2");
  pin(load_returning(kDrop, {.expected_attach_type = 37, .multi_buffer = false}, "xdpcap_pass")
          .get(),
      directory + "/foreign/2");
}

const Obstacle kObstacles[] = {
    {.name = "NothingToCompareWith", .put = [](const std::string&, const std::string&, int) {}},
    {.name = "EmptyDirectoryOfAnother",
     .put =
         [](const std::string& place, const std::string&, int) {
           make_directory(place, 0700);
           give(place);
         }},
    {.name = "OpenDirectoryOfAnother",
     .put =
         [](const std::string& place, const std::string&, int) {
           make_directory(place, 0777);
           give(place);
         }},
    {.name = "DirectoryOfAnotherWithPins",
     .put =
         [](const std::string& place, const std::string&, int) {
           make_directory(place, 0755);
           fill_with_pins(place);
           for (const auto& entry : fs::recursive_directory_iterator(place)) {
             give(entry.path().string());
           }
           give(place);
         }},
    {.name = "OwnDirectoryThatAllMayWrite",
     .put =
         [](const std::string& place, const std::string&, int) {
           make_directory(place, 0777);
           fill_with_pins(place);
           give(place + "/programs");
         }},
    {.name = "OwnDirectoryThatAllMayLock",
     .put = [](const std::string& place, const std::string&, int) { make_directory(place, 0755); }},
    {.name = "OwnDirectoryWithPinsOfWrongKinds",
     .put =
         [](const std::string& place, const std::string&, int) {
           make_directory(place, 0700);
           pin(make_random_array(64).get(), place + "/programs");
           pin(make_dropping_array(5).get(), place + "/state");
           pin(make_random_array(64).get(), place + "/7");
           pin(make_random_array(64).get(), place + "/foreign");
         }},
    {.name = "OwnDirectoryWithPinsOfWrongSizes",
     .put =
         [](const std::string& place, const std::string&, int) {
           make_directory(place, 0700);
           pin(make_dropping_array(5).get(), place + "/programs");
           pin(make_random_array(8).get(), place + "/state");
         }},
    {.name = "OwnDirectoryWithRandomState",
     .put =
         [](const std::string& place, const std::string&, int) {
           make_directory(place, 0700);
           fill_with_pins(place);
         }},
    {.name = "OwnDirectoryWithRandomStateOfThisHook",
     .put =
         [](const std::string& place, const std::string&, int hook_fd) {
           make_directory(place, 0700);
           fill_with_pins(place);
           ASSERT_EQ(::unlink((place + "/state").c_str()), 0);
           pin(make_random_state(hook_fd).get(), place + "/state");
         }},
    {.name = "OwnDirectoryWithAProgramForAMap",
     .put =
         [](const std::string& place, const std::string&, int) {
           make_directory(place, 0700);
           const UniqueFd program = load_returning(
               kDrop, {.expected_attach_type = 37, .multi_buffer = false}, "xdpcap_pass");
           pin(program.get(), place + "/programs");
           pin(program.get(), place + "/state");
         }},
    {.name = "OwnDirectoryWithDeepDirectories",
     .put =
         [](const std::string& place, const std::string&, int) {
           make_directory(place, 0700);
           for (const char* name : {"7", "0", "foreign", "programs", "state", "more"}) {
             fs::create_directories(place + "/" + name + "/a/b/c");
           }
         }},
    {.name = "LinkToDirectoryOfAnother",
     .put =
         [](const std::string& place, const std::string& elsewhere, int) {
           make_directory(elsewhere + "/his", 0700);
           give(elsewhere + "/his");
           fs::create_symlink(elsewhere + "/his", place);
           give(place);
         }},
    {.name = "LinkToDirectoryOfRoot",
     .put =
         [](const std::string& place, const std::string& elsewhere, int) {
           fs::create_symlink(elsewhere, place);
           give(place);
         }},
    {.name = "LinkToNowhere",
     .put =
         [](const std::string& place, const std::string&, int) {
           fs::create_symlink("/nowhere", place);
           give(place);
         }},
    {.name = "PinnedMap",
     .put =
         [](const std::string& place, const std::string&, int) {
           pin(make_random_array(64).get(), place);
           give(place);
         }},
    {.name = "PinnedMapOfRoot",
     .put = [](const std::string& place, const std::string&,
               int) { pin(make_random_array(64).get(), place); }},
    {.name = "PinnedProgram",
     .put =
         [](const std::string& place, const std::string&, int) {
           pin(load_returning(kDrop, {.expected_attach_type = 37, .multi_buffer = false},
                              "xdpcap_pass")
                   .get(),
               place);
           give(place);
         }},
};

class HostileDirectory : public AttackTest {
 protected:
  void SetUp() override {
    AttackTest::SetUp();
    note_bpf_objects(::getpid());
    constexpr mode_t kAllButSticky = 01777;
    ASSERT_EQ(::chmod(stage().rig().pins().path().c_str(), kAllButSticky), 0);
    elsewhere_ = stage().rig().pins().path() + "/elsewhere";
    make_directory(elsewhere_, 0700);
    pin(make_random_array(64).get(), elsewhere_ + "/programs");
    pin(make_random_array(64).get(), elsewhere_ + "/state");
    make_directory(elsewhere_ + "/0", 0700);
  }
  void TearDown() override {
    EXPECT_TRUE(fs::exists(elsewhere_ + "/programs"));
    EXPECT_TRUE(fs::exists(elsewhere_ + "/state"));
    EXPECT_TRUE(fs::exists(elsewhere_ + "/0"));
    for (const auto& entry : fs::directory_iterator(stage().rig().pins().path())) {
      if (entry.path() != hook()) {
        std::error_code kernels_own;  // progs.debug, maps.debug
        fs::remove_all(entry.path(), kernels_own);
      }
    }
    AttackTest::TearDown();
  }
  const std::string& elsewhere() const { return elsewhere_; }

  // Whether it worked.
  bool captures_or_says_why(const std::vector<std::string>& command) const {
    const std::string file = stage().file("some.pcapng");
    fs::remove(file);
    const Outcome outcome = run(command);
    EXPECT_TRUE(outcome.end.is_over) << outcome.errors;
    if (outcome.end.exit_code == 0) {
      EXPECT_EQ(packets_in(file).size(), 500U);
      said_ = outcome.errors.substr(0, outcome.errors.find("XDPAborted"));
      return true;
    }
    EXPECT_EQ(outcome.end.exit_code, 1) << outcome.errors;
    EXPECT_THAT(outcome.errors, HasSubstr(hook())) << "it does not say what is wrong";
    said_ = outcome.errors;
    return false;
  }
  const std::string& said() const { return said_; }

 private:
  std::string elsewhere_;
  mutable std::string said_;
};

class HostileObstacle : public HostileDirectory, public testing::WithParamInterface<Obstacle> {};

INSTANTIATE_TEST_SUITE_P(Obstacles, HostileObstacle, testing::ValuesIn(kObstacles),
                         [](const auto& obstacle) { return std::string(obstacle.param.name); });

TEST_P(HostileObstacle, ChangesNoVerdict) {
  start_traffic();
  GetParam().put(shared_directory(), elsewhere(), hook_fd());
  const bool works = captures_or_says_why(some_packets());
  fmt::print("{}: {}: {}\n", GetParam().name, works ? "captured" : "refused", said());
  EXPECT_TRUE(becomes_true([&] { return filled_slots(hook_fd()) == 0; }, Millis(1'000)));
  // Nor do the other commands.
  for (const char* option : {"-status", "-detach"}) {
    const Outcome outcome = run(xdpcap_command({option, hook()}));
    EXPECT_TRUE(outcome.end.exit_code == 0 || outcome.end.exit_code == 1) << outcome.errors;
  }
  traffic().await_more(1'000);
  stop_traffic();
}

TEST_F(HostileDirectory, RenamedUnderARunningCapture) {
  Watched capture(stage());
  start_traffic();
  const std::string aside = stage().rig().pins().path() + "/aside";
  ASSERT_EQ(::rename(shared_directory().c_str(), aside.c_str()), 0);
  make_directory(shared_directory(), 0755);
  fill_with_pins(shared_directory());
  for (const auto& entry : fs::recursive_directory_iterator(shared_directory())) {
    give(entry.path().string());
  }
  give(shared_directory());
  traffic().await_more(2'000);
  captures_or_says_why(some_packets());
  fmt::print("beside a renamed directory: {}\n", said());
  const Tally tally = stop_traffic();
  EXPECT_TRUE(capture.process().is_running()) << capture.process().errors();
  capture.process().signal(SIGINT);
  const Ended end = capture.process().wait(Millis(5'000));
  EXPECT_TRUE(end.is_over);
  EXPECT_EQ(capture.received(), tally.sent());
  fmt::print("its end: {} {}\n", end.exit_code, capture.process().errors());
  EXPECT_TRUE(becomes_true([&] { return filled_slots(hook_fd()) == 0; }, Millis(1'000)));
}

TEST_F(HostileDirectory, OfAnotherUserHidesNoSlot) {
  Watched capture(stage());
  const std::string aside = stage().rig().pins().path() + "/aside";
  ASSERT_EQ(::rename(shared_directory().c_str(), aside.c_str()), 0);
  make_directory(shared_directory(), 0700);
  give(shared_directory());
  for (const auto& command : {xdpcap_command({"-status", hook()}), xdpcap_command({"-list"})}) {
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.end.exit_code, 0) << outcome.errors;
    EXPECT_THAT(outcome.output, AllOf(HasSubstr("not known: directory " + shared_directory()),
                                      HasSubstr("belongs to user"), HasSubstr(", of a capture")));
  }
  ASSERT_EQ(::rmdir(shared_directory().c_str()), 0);
  ASSERT_EQ(::rename(aside.c_str(), shared_directory().c_str()), 0);
  start_traffic();
  traffic().await_more(1'000);
  capture.expect_saw(stop_traffic());
}

TEST_F(HostileDirectory, EmptiedUnderARunningCapture) {
  Watched capture(stage());
  start_traffic();
  traffic().await_more(1'000);
  fs::remove_all(shared_directory());
  traffic().await_more(1'000);
  captures_or_says_why(some_packets());
  fmt::print("beside a removed directory: {}\n", said());
  capture.process().signal(SIGINT);
  EXPECT_TRUE(capture.process().wait(Millis(5'000)).is_over);
  fmt::print("its end: {}\n", capture.process().errors());
  EXPECT_TRUE(becomes_true([&] { return filled_slots(hook_fd()) == 0; }, Millis(1'000)));
  traffic().await_more(1'000);
  stop_traffic();
}

// A load balancer that runs as another user has pinned its hook in a directory of its own.
TEST_F(HostileDirectory, OfAnotherUserIsNoObstacle) {
  const std::string home = stage().rig().pins().path() + "/home";
  make_directory(home, 0700);
  const std::string hook_there = home + "/hook";
  pin(hook_fd(), hook_there);
  give(hook_there);
  give(home);
  start_traffic();
  const std::string file = stage().file("some.pcapng");
  const Outcome outcome = run(xdpcap_command({"-c", "500", hook_there, file}));
  EXPECT_EQ(outcome.end.exit_code, 0) << outcome.errors;
  EXPECT_EQ(packets_in(file).size(), 500U);
  stop_traffic();
  EXPECT_EQ(std::distance(fs::directory_iterator(home), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace xdpcap::test
