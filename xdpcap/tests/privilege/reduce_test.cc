// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/reduce.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/testing/temporary_directory.h"
#include "xdpcap/privilege/capability_sets.h"
#include "xdpcap/tests/privilege/child.h"

namespace xdpcap {
namespace {

using test::in_child;
using test::load_program;
using test::outcome;

const User kSomebody{.name = "somebody", .uid = 12345, .gid = 23456, .groups = {23456}};

std::uint64_t bit(Capability capability) {
  return std::uint64_t{1} << static_cast<unsigned>(capability);
}

std::string open_file(const std::string& path) {
  return outcome(::open(path.c_str(), O_RDONLY | O_CLOEXEC) >= 0);
}

int bounding_set_size() {
  int size = 0;
  for (unsigned long i = 0; i < 64; ++i) {
    size += ::prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1 ? 1 : 0;
  }
  return size;
}

TEST(Reduce, LeavesExactlyWhatIsKept) {
  const struct {
    std::optional<User> user;
    std::vector<Capability> kept;
  } cases[] = {
      {std::nullopt, {}},
      {std::nullopt, {Capability::Bpf, Capability::DacOverride}},
      {kSomebody, {}},
      {kSomebody, {Capability::Bpf, Capability::NetAdmin, Capability::Perfmon}},
  };
  for (const auto& one : cases) {
    std::uint64_t wanted = 0;
    for (const Capability capability : one.kept) {
      wanted |= bit(capability);
    }
    const auto describe = [](const CapabilitySets& sets) {
      return fmt::format("{:x} {:x} {:x}", sets.effective, sets.permitted, sets.inheritable);
    };
    const uid_t uid = one.user ? one.user->uid : 0;
    EXPECT_EQ(
        in_child([&] {
          const Result<void> reduced = reduce({.user = one.user, .kept = one.kept});
          if (!reduced) {
            return reduced.error().message;
          }
          std::string in_thread;
          std::thread([&] { in_thread = describe(*capability_sets()); }).join();
          return fmt::format("{}, thread {}, uid {}, bounding {}, no new {}, ambient {}",
                             describe(*capability_sets()), in_thread, ::geteuid(),
                             bounding_set_size(), ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
                             ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 39, 0, 0));
        }),
        fmt::format("{0:x} {0:x} 0, thread {0:x} {0:x} 0, uid {1}, bounding 0, no new 1, ambient 0",
                    wanted, uid));
  }
}

TEST(Reduce, EmptiesTheInheritableAndTheAmbientSet) {
  EXPECT_EQ(in_child([]() -> std::string {
              // As a service manager would start it.
              const auto net_admin = static_cast<unsigned long>(Capability::NetAdmin);
              struct {
                std::uint32_t version = 0x20080522;
                int pid = 0;
              } header;
              const auto all = static_cast<std::uint32_t>(capability_sets()->permitted);
              const auto high = static_cast<std::uint32_t>(capability_sets()->permitted >> 32U);
              const std::uint32_t sets[] = {all, all, all, high, high, high};
              if (::syscall(SYS_capset, &header, sets) != 0 ||
                  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, net_admin, 0, 0) != 0) {
                return "not raised";
              }
              const Capability kept[] = {Capability::NetAdmin};
              if (!reduce({.user = std::nullopt, .kept = kept})) {
                return "not reduced";
              }
              return fmt::format("{} {}", capability_sets()->inheritable,
                                 ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, net_admin, 0, 0));
            }),
            "0 0");
}

TEST(Reduce, TakesAwayWhatItSays) {
  const test::TemporaryDirectory directory;
  ASSERT_EQ(::chmod(directory.path("").c_str(), 0755), 0);
  const std::string roots = directory.path("roots");
  const std::string others = directory.path("others");
  for (const std::string& path : {roots, others}) {
    ::close(::open(path.c_str(), O_CREAT | O_WRONLY, 0600));
  }
  ASSERT_EQ(::chown(others.c_str(), 54321, 54321), 0);
  using enum Capability;
  const struct {
    std::optional<User> user;
    std::vector<Capability> kept;
    std::string wanted;  ///< opens root's file, another's, loads a program
  } cases[] = {
      {std::nullopt, {}, "yes EACCES EPERM"},
      {std::nullopt, {DacReadSearch}, "yes yes EPERM"},
      {kSomebody, {}, "EACCES EACCES EPERM"},
      {kSomebody, {DacReadSearch}, "yes yes EPERM"},
      {kSomebody, {DacOverride}, "yes yes EPERM"},
      {kSomebody, {NetAdmin}, "EACCES EACCES EPERM"},
      {kSomebody, {Bpf, NetAdmin}, "EACCES EACCES yes"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(in_child([&] {
                const Result<void> reduced = reduce({.user = one.user, .kept = one.kept});
                return reduced ? fmt::format("{} {} {}", open_file(roots), open_file(others),
                                             outcome(load_program()))
                               : reduced.error().message;
              }),
              one.wanted);
  }
}

TEST(Reduce, WhatIsOpenStaysOpen) {
  EXPECT_EQ(in_child([]() -> std::string {
              const int fd = ::open("/etc/shadow", O_RDONLY | O_CLOEXEC);
              char byte = 0;
              return !reduce({.user = kSomebody}) ? "not reduced"
                                                  : outcome(::read(fd, &byte, 1) == 1);
            }),
            "yes");
}

/// Runs `body` in a process that has reduced itself to no capabilities and `user`, and waits until the test has `looked` at it.
template <typename Look>
int status_of_reduced(const std::optional<User>& user, void (*body)(), Look look) {
  int ready[2] = {};
  EXPECT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_reduced = reduce({.user = user}).has_value();
    static_cast<void>(::write(ready[1], is_reduced ? "y" : "n", 1) == 1);
    body();
    ::_exit(0);
  }
  char answer = 0;
  EXPECT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  look(child);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  ::close(ready[0]);
  ::close(ready[1]);
  return status;
}

TEST(Reduce, NoCoreDumpHoldsPackets) {
  const test::TemporaryDirectory directory;  // where a core dump would go
  ASSERT_EQ(::chmod(directory.path("").c_str(), 0777), 0);
  const auto dies = [](const std::optional<User>& user) {
    return status_of_reduced(user, [] { std::abort(); }, [](pid_t) {});
  };
  for (const auto& user : {std::optional<User>(), std::optional(kSomebody)}) {
    EXPECT_EQ(in_child([&] {
                const rlimit all{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
                EXPECT_EQ(::setrlimit(RLIMIT_CORE, &all), 0);
                EXPECT_EQ(::chdir(directory.path("").c_str()), 0);
                const int status = dies(user);
                return fmt::format("signal {}, dumped {}", WTERMSIG(status), WCOREDUMP(status));
              }),
              fmt::format("signal {}, dumped 0", SIGABRT));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path("")));
}

TEST(Reduce, AProcessOfTheSameUserCannotReadItsMemory) {
  for (const auto& user : {std::optional<User>(), std::optional(kSomebody)}) {
    const auto read_memory = [&user](pid_t process) {
      EXPECT_EQ(in_child([&] {
                  EXPECT_TRUE(reduce({.user = user}));
                  return open_file(fmt::format("/proc/{}/mem", process));
                }),
                "EACCES");
      ::kill(process, SIGKILL);
    };
    status_of_reduced(user, [] { ::pause(); }, read_memory);
  }
}

TEST(Reduce, GivesNothingThatWasNotThere) {
  using enum Capability;
  EXPECT_EQ(in_child([]() -> std::string {
              const Capability first[] = {Bpf};
              const Capability second[] = {Bpf, NetAdmin};
              if (!keep_capabilities(first) || !keep_capabilities(second)) {
                return "failed";
              }
              return fmt::format("{:x}", capability_sets()->effective);
            }),
            fmt::format("{:x}", bit(Bpf)));
}

TEST(Reduce, RefusesAWayBack) {
  for (const Capability capability : {Capability::SetUid, Capability::SetGid}) {
    EXPECT_EQ(in_child([&]() -> std::string {
                const Capability kept[] = {capability};
                return reduce({.user = kSomebody, .kept = kept}).error().message;
              }),
              fmt::format("become user somebody: it could go back with {}; do not keep that",
                          name(capability)));
  }
  EXPECT_EQ(in_child([]() -> std::string {
              return !reduce({.user = kSomebody}) ? "not reduced"
                                                  : outcome(::setresuid(0, 0, 0) == 0);
            }),
            "EPERM");
}

TEST(Reduce, SaysWhoseUserCouldNotBeTaken) {
  EXPECT_EQ(in_child([]() -> std::string {
              EXPECT_EQ(::setresuid(65534, 65534, 65534), 0);
              return reduce({.user = kSomebody}).error().message;
            }),
            "become user somebody: take its groups: Operation not permitted; that takes root "
            "(CAP_SETUID and CAP_SETGID)");
}

}  // namespace
}  // namespace xdpcap
