// SPDX-License-Identifier: BSD-3-Clause
//
// The directory beside a hook's pin: who may use it, whose turn it is, and which captures live.  Locks are of open files, so the
// others are child processes here.

#include "xdpcap/sharing/chain_directory.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/testing/becomes_true.h"
#include "base/testing/temporary_directory.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::becomes_true;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using PositionState = ChainDirectory::PositionState;

constexpr uid_t kUser = 1234;
constexpr auto kBySeveral = fs::perms(0770);

struct DirectoryRig {
  ChainDirectory make() const {
    std::vector<std::string> notes;
    ChainDirectory made = ChainDirectory::make(hook, notes).value();
    EXPECT_THAT(notes, IsEmpty());
    return made;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(bpf.path())) {
      if (entry.path().extension() != ".debug") {  // the file system's own
        names.push_back(entry.path().filename());
      }
    }
    return names;
  }

  test::BpfDirectory bpf;
  UniqueFd map = test::make_hook();
  std::string hook = bpf.pin(map.get(), "hook");
  std::string path = hook + "-xdpcap-0";
};

/// A child process that does something, and then nothing until it is killed or the object goes.
class Child {
 public:
  explicit Child(const std::function<bool()>& act) {
    int ends[2] = {};
    EXPECT_EQ(::pipe(ends), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      static_cast<void>(::write(ends[1], act() ? "y" : "n", 1));
      while (true) {
        ::pause();
      }
    }
    char done = 0;
    EXPECT_EQ(::read(ends[0], &done, 1), 1);
    EXPECT_EQ(done, 'y');
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { kill(); }
  void kill() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    }
  }
  void stop() const { ASSERT_EQ(::kill(pid_, SIGSTOP), 0); }

 private:
  pid_t pid_ = -1;
};

/// Holds the turn, or a place, for as long as the process lives.
Child with_turn(const DirectoryRig& rig) {
  return Child([&rig] {
    static const ChainDirectory directory = rig.make();
    static const ChainDirectory::Lock locked = directory.lock();
    return true;
  });
}
Child at_place(const DirectoryRig& rig, std::uint32_t position) {
  return Child([&rig, position] {
    static const ChainDirectory directory = rig.make();
    static const std::optional<UniqueFd> place = directory.take_place(position).value();
    return place.has_value();
  });
}

/// What a process of an ordinary user returns from `act`.
std::string as_user(const std::function<std::string()>& act) {
  int ends[2] = {};
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const bool is_user =
        ::setresgid(kUser, kUser, kUser) == 0 && ::setresuid(kUser, kUser, kUser) == 0;
    const std::string text = is_user ? act() : "still root";
    static_cast<void>(::write(ends[1], text.data(), text.size()));
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text(4096, '\0');
  const ssize_t length = ::read(ends[0], text.data(), text.size());
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  ::close(ends[0]);
  ::waitpid(pid, nullptr, 0);
  return text;
}

std::string try_make(const std::string& hook) {
  std::vector<std::string> notes;
  const Result<ChainDirectory> made = ChainDirectory::make(hook, notes);
  return made ? "made " + made->path() : made.error().message;
}

class ChainDirectoryTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

// --- Where it is, and who may use it.

TEST_F(ChainDirectoryTest, StandsBesideThePinHoweverThatIsNamed) {
  const DirectoryRig rig;
  EXPECT_EQ(ChainDirectory::path_for(rig.hook), rig.path);
  const test::TemporaryDirectory elsewhere;
  fs::create_symlink(rig.hook, elsewhere.path("link"));
  EXPECT_EQ(ChainDirectory::path_for(elsewhere.path("link")), rig.path);
  EXPECT_EQ(ChainDirectory::path_for(rig.bpf.path() + "/./hook"), rig.path);
  EXPECT_EQ(ChainDirectory::path_for("/no/such"), "/no/such-xdpcap-0");
  EXPECT_EQ(as_user([&] { return ChainDirectory::path_for("/no/such"); }), "/no/such-xdpcap-1234");
}

TEST_F(ChainDirectoryTest, IsItsUsersOnlyAndThereIsOne) {
  const DirectoryRig rig;
  EXPECT_FALSE(ChainDirectory::find(rig.hook).value());
  const mode_t before = ::umask(0);
  const ChainDirectory directory = rig.make();
  ::umask(before);
  EXPECT_EQ(directory.path(), rig.path);
  EXPECT_EQ(fs::status(rig.path).permissions(), fs::perms(0700));
  EXPECT_FALSE(rig.make().is_removed());
  EXPECT_FALSE(directory.is_removed());
  ASSERT_TRUE(ChainDirectory::find(rig.hook).value());
  EXPECT_THAT(rig.names(), testing::UnorderedElementsAre("hook", "hook-xdpcap-0"));
}

struct Planted {
  const char* what;
  void (*put)(const DirectoryRig& rig);
  const char* why;
};
const Planted kPlanted[] = {
    {"another user's",
     [](const DirectoryRig& rig) {
       fs::create_directory(rig.path);
       ASSERT_EQ(::chown(rig.path.c_str(), kUser, 0), 0);
     },
     "it belongs to user 1234"},
    {"a group may write",
     [](const DirectoryRig& rig) {
       fs::create_directory(rig.path);
       fs::permissions(rig.path, kBySeveral);
     },
     "it is open to others than its owner"},
    {"all may write",
     [](const DirectoryRig& rig) {
       fs::create_directory(rig.path);
       fs::permissions(rig.path, fs::perms(0702));
     },
     "it is open to others than its owner"},
    {"all may read, and so lock",
     [](const DirectoryRig& rig) {
       fs::create_directory(rig.path);
       fs::permissions(rig.path, fs::perms(0704));
     },
     "it is open to others than its owner"},
    {"a link to a good one",
     [](const DirectoryRig& rig) {
       const fs::path good = rig.bpf.path() + "/good";
       fs::create_directory(good);
       fs::permissions(good, fs::perms(0700));
       fs::create_symlink(good, rig.path);
     },
     "it is not a directory"},
    {"a pin", [](const DirectoryRig& rig) { rig.bpf.pin(rig.map.get(), "hook-xdpcap-0"); },
     "it is not a directory"},
};

TEST_F(ChainDirectoryTest, WhatOthersMayHaveMadeIsMovedAsideByRoot) {
  for (const Planted& planted : kPlanted) {
    SCOPED_TRACE(planted.what);
    const DirectoryRig rig;
    planted.put(rig);
    const Result<std::optional<ChainDirectory>> found = ChainDirectory::find(rig.hook);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::Permission);
    EXPECT_THAT(found.error().message, AllOf(HasSubstr(rig.path), HasSubstr(planted.why)));
    std::vector<std::string> notes;
    const ChainDirectory made = ChainDirectory::make(rig.hook, notes).value();
    ASSERT_EQ(notes.size(), 1U);
    EXPECT_THAT(notes[0], AllOf(HasSubstr(planted.why), HasSubstr(rig.path + "-not-ours-")));
    EXPECT_FALSE(made.is_removed());
    EXPECT_TRUE(ChainDirectory::find(rig.hook).value());
    EXPECT_EQ(std::ranges::count_if(rig.names(),
                                    [](const std::string& name) {
                                      return name.starts_with("hook-xdpcap-0-not-ours-");
                                    }),
              1)
        << "what was there is kept";
  }
}

TEST_F(ChainDirectoryTest, WhatOthersMayHaveMadeIsRefusedWhereItCannotBeMoved) {
  const DirectoryRig rig;
  const std::string path = rig.hook + "-xdpcap-1234";
  fs::permissions(rig.bpf.path(), fs::perms(01777));  // sticky, as a directory for all should be
  fs::create_directory(path);
  fs::permissions(path, fs::perms(0777));
  EXPECT_THAT(as_user([&] { return try_make(rig.hook); }),
              AllOf(HasSubstr("it is open to others than its owner"), HasSubstr("remove it")));
  ASSERT_EQ(::chown(path.c_str(), kUser + 1, 0), 0);
  fs::permissions(path, fs::perms(0700));
  EXPECT_THAT(as_user([&] { return try_make(rig.hook); }), HasSubstr("it is another user's"));
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(ChainDirectoryTest, SaysWhatToDoWhereTheUserMayNotMakeOne) {
  const DirectoryRig rig;
  const std::string path = rig.hook + "-xdpcap-1234";
  fs::permissions(rig.bpf.path(), fs::perms(0755));
  const std::string said = as_user([&] { return try_make(rig.hook); });
  const std::string command = "install -d -m 700 -o 1234 " + path;
  ASSERT_THAT(said, HasSubstr(command));
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(as_user([&] { return try_make(rig.hook); }), "made " + path);
  // The user may not remove it either, and can use it again.
  const auto remove = [&] {
    ChainDirectory::find(rig.hook).value()->remove();
    return try_make(rig.hook);
  };
  EXPECT_EQ(as_user(remove), "made " + path);
}

TEST_F(ChainDirectoryTest, NeedsTheHooksPin) {
  const DirectoryRig rig;
  fs::remove(rig.hook);
  std::vector<std::string> notes;
  const test::TemporaryDirectory elsewhere;
  for (const std::string& hook : {rig.hook, elsewhere.path("")}) {
    const Result<ChainDirectory> made = ChainDirectory::make(hook, notes);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::NotFound);
  }
  EXPECT_THAT(rig.names(), IsEmpty());
}

// --- Turns.

TEST_F(ChainDirectoryTest, ProcessesTakeTurns) {
  constexpr int kProcesses = 3;
  constexpr int kRounds = 20;
  const DirectoryRig rig;
  const UniqueFd counter = create_mappable_array("count", 8, 1).value();
  const Mapping memory = map_pages(counter.get(), 4096, PROT_READ | PROT_WRITE, 0).value();
  auto& count = *static_cast<volatile int*>(memory.get());
  for (int i = 0; i < kProcesses; ++i) {
    if (::fork() == 0) {
      const ChainDirectory directory = rig.make();
      for (int round = 0; round < kRounds; ++round) {
        const ChainDirectory::Lock locked = directory.lock();
        const int number = count;  // without turns others would write between this
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        count = number + 1;
      }
      ::_exit(0);
    }
  }
  while (::wait(nullptr) > 0) {
  }
  EXPECT_EQ(count, kProcesses * kRounds);
}

TEST_F(ChainDirectoryTest, TheTurnOfAKilledProcessEnds) {
  const DirectoryRig rig;
  Child holder = with_turn(rig);
  const ChainDirectory directory = rig.make();
  std::thread killing([&] {
    std::this_thread::sleep_for(milliseconds(100));
    holder.kill();
  });
  const auto before = steady_clock::now();
  const ChainDirectory::Lock locked = directory.lock();
  EXPECT_GE(steady_clock::now() - before, milliseconds(90));
  EXPECT_LT(steady_clock::now() - before, milliseconds(1'000) * test::patience());
  killing.join();
}

TEST_F(ChainDirectoryTest, AStoppedProcessIsWaitedForTwoSecondsOnly) {
  const DirectoryRig rig;
  const Child holder = with_turn(rig);
  holder.stop();
  const ChainDirectory directory = rig.make();
  const auto before = steady_clock::now();
  {
    const ChainDirectory::Lock locked = directory.lock();
  }
  EXPECT_GE(steady_clock::now() - before, milliseconds(1'900));
  EXPECT_LT(steady_clock::now() - before, milliseconds(4'000) * test::patience());
}

TEST_F(ChainDirectoryTest, ATurnLastsAsLongAsItsObject) {
  const DirectoryRig rig;
  const ChainDirectory directory = rig.make();
  const UniqueFd other(::open(rig.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto is_free = [&] {
    const bool taken = ::flock(other.get(), LOCK_EX | LOCK_NB) == 0;
    ::flock(other.get(), LOCK_UN);
    return taken;
  };
  {
    ChainDirectory::Lock first = directory.lock();
    const ChainDirectory::Lock moved = std::move(first);
    EXPECT_FALSE(is_free());
  }
  EXPECT_TRUE(is_free());
}

// --- Places.

TEST_F(ChainDirectoryTest, APlaceIsHeldUntilItsProcessDies) {
  const DirectoryRig rig;
  const ChainDirectory directory = rig.make();
  EXPECT_EQ(directory.state_of(7), PositionState::Free);
  Child holder = at_place(rig, 7);
  EXPECT_EQ(directory.state_of(7), PositionState::Held);
  EXPECT_EQ(directory.state_of(6), PositionState::Free);
  EXPECT_FALSE(directory.take_place(7).value()) << "it is taken";
  holder.stop();
  EXPECT_EQ(directory.state_of(7), PositionState::Held) << "it is stopped, not dead";
  holder.kill();
  EXPECT_EQ(directory.state_of(7), PositionState::Dead);
  EXPECT_EQ(directory.state_of(7), PositionState::Dead) << "looking takes nothing";
  EXPECT_FALSE(directory.take_place(7).value()) << "what it has left comes first";
  directory.remove_place(7);
  EXPECT_EQ(directory.state_of(7), PositionState::Free);
  EXPECT_TRUE(directory.take_place(7).value());
}

TEST_F(ChainDirectoryTest, APlaceIsItsUsersOnly) {
  const DirectoryRig rig;
  const ChainDirectory directory = rig.make();
  const mode_t before = ::umask(0);
  const std::optional<UniqueFd> place = directory.take_place(0).value();
  ::umask(before);
  EXPECT_EQ(fs::status(rig.path + "/0").permissions(), fs::perms(0700));
  EXPECT_EQ(directory.state_of(0), PositionState::Held) << "in its own process, too";
}

TEST_F(ChainDirectoryTest, WhatCannotBeKnownIsTakenForAlive) {
  const DirectoryRig rig;
  const ChainDirectory directory = rig.make();
  Child holder = at_place(rig, 3);
  holder.kill();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const PositionState state = directory.state_of(3);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(state, PositionState::Held);
  EXPECT_EQ(directory.state_of(3), PositionState::Dead);
}

// --- Pins.

TEST_F(ChainDirectoryTest, PinsAreOpenedReplacedAndRemoved) {
  const DirectoryRig rig;
  const ChainDirectory directory = rig.make();
  const fs::path here = fs::current_path();
  const std::optional<UniqueFd> place = directory.take_place(3).value();
  for (const char* name : {"state", "3/counters"}) {
    EXPECT_EQ(directory.open_pin(name).error().code, Errc::NotFound);
    ASSERT_TRUE(directory.pin(name, rig.map.get()));
    EXPECT_EQ(map_info(directory.open_pin(name)->get())->id, map_info(rig.map.get())->id);
    const UniqueFd other = test::make_hook();
    ASSERT_TRUE(directory.pin(name, other.get()));
    EXPECT_EQ(map_info(directory.open_pin(name)->get())->id, map_info(other.get())->id);
    EXPECT_EQ(fs::current_path(), here);
    directory.remove_pin(name);
    EXPECT_EQ(directory.open_pin(name).error().code, Errc::NotFound);
  }
  const Result<void> nowhere = directory.pin("5/1", rig.map.get());
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr(rig.path + "/5/1"));
}

TEST_F(ChainDirectoryTest, NothingIsDoneInADirectoryThatWasPutInItsPlace) {
  const DirectoryRig rig;
  const ChainDirectory directory = rig.make();
  const std::optional<UniqueFd> place = directory.take_place(1).value();
  ASSERT_TRUE(directory.pin("state", rig.map.get()));
  fs::rename(rig.path, rig.path + "-away");
  const ChainDirectory another = rig.make();
  ASSERT_TRUE(another.pin("programs", rig.map.get()));
  const std::optional<UniqueFd> of_another = another.take_place(1).value();
  EXPECT_TRUE(directory.open_pin("state"));
  EXPECT_FALSE(directory.open_pin("programs"));
  ASSERT_TRUE(directory.pin("foreign-1", rig.map.get()));
  EXPECT_TRUE(fs::exists(rig.path + "-away/foreign-1"));
  directory.remove();
  EXPECT_TRUE(fs::is_empty(rig.path + "-away"));
  EXPECT_FALSE(another.is_removed());
  EXPECT_TRUE(another.open_pin("programs"));
  EXPECT_EQ(another.state_of(1), PositionState::Held);
  static_cast<void>(directory.lock());  // of one that is away: harmless
}

TEST_F(ChainDirectoryTest, RemovesAllThatCapturesMake) {
  const DirectoryRig rig;
  const ChainDirectory directory = rig.make();
  for (const char* name : {"state", "programs", "foreign-0", "foreign-31"}) {
    ASSERT_TRUE(directory.pin(name, rig.map.get()));
  }
  for (std::uint32_t position = 0; position < 8; ++position) {
    ASSERT_TRUE(directory.take_place(position).value());
    for (const char* name : {"0", "4", "31", "counters"}) {
      ASSERT_TRUE(directory.pin(fmt::format("{}/{}", position, name), rig.map.get()));
    }
  }
  directory.remove();
  EXPECT_THAT(rig.names(), testing::ElementsAre("hook"));
  EXPECT_TRUE(directory.is_removed());
  EXPECT_FALSE(directory.take_place(1)) << "it is gone";
  static_cast<void>(directory.lock());
}

TEST_F(ChainDirectoryTest, MadeAndRemovedByManyAtOnce) {
  const DirectoryRig rig;
  for (int i = 0; i < 3; ++i) {
    if (::fork() == 0) {
      for (int round = 0; round < 300; ++round) {
        std::vector<std::string> notes;
        const Result<ChainDirectory> made = ChainDirectory::make(rig.hook, notes);
        if (!made || !notes.empty()) {
          ::_exit(1);
        }
        const ChainDirectory::Lock locked = made->lock();
        if (!made->is_removed()) {
          made->remove();
        }
      }
      ::_exit(0);
    }
  }
  int status = 0;
  while (::wait(&status) > 0) {
    EXPECT_EQ(status, 0);
  }
  EXPECT_THAT(rig.names(), testing::ElementsAre("hook"));
}

}  // namespace
}  // namespace xdpcap
