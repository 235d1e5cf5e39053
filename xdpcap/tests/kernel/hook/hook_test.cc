// SPDX-License-Identifier: BSD-3-Clause
//
// Opening a hook: what is one, and what each thing that is none is told.

#include "xdpcap/hook/hook.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>

#include "xdpcap/hook/hook_variant.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"
#include "xdpcap/tests/kernel/netns.h"

namespace xdpcap {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};

class HookTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }

  void expect_refused(const std::string& path, Errc code,
                      const testing::Matcher<std::string>& text) {
    const Result<Hook> hook = Hook::open(path);
    ASSERT_FALSE(hook.has_value()) << path;
    EXPECT_EQ(hook.error().code, code) << hook.error().message;
    EXPECT_THAT(hook.error().message, AllOf(HasSubstr("open hook " + path), text));
  }

  test::BpfDirectory directory_;
};

TEST_F(HookTest, OpensProgramArraysOfAnySize) {
  for (const std::uint32_t slots : {1U, 4U, 5U, 6U, 1000U}) {
    const UniqueFd map = test::make_hook(slots);
    const std::string path = directory_.pin(map.get(), fmt::format("hook{}", slots));
    const Result<Hook> hook = Hook::open(path);
    ASSERT_TRUE(hook.has_value()) << hook.error().message;
    EXPECT_EQ(hook->slots(), slots);
    EXPECT_EQ(hook->path(), path);
    EXPECT_EQ(map_info(hook->fd())->id, map_info(map.get())->id);
    EXPECT_EQ(hook->actions().size(), std::min<std::size_t>(slots, kMostActions));
    EXPECT_EQ(hook->actions().front(), Action::Aborted);
  }
}

TEST_F(HookTest, RefusesMissingPaths) {
  expect_refused(directory_.path() + "/none", Errc::NotFound,
                 AllOf(HasSubstr("no such file"), Not(HasSubstr("mount"))));
  expect_refused("/nowhere/at/all", Errc::NotFound, HasSubstr("no such file"));
  expect_refused("", Errc::NotFound, HasSubstr("no such file"));
  const std::string path = directory_.pin(test::make_hook().get(), "hook");
  expect_refused(path + "/below", Errc::NotFound, HasSubstr("no such file"));
}

TEST_F(HookTest, RefusesDirectories) {
  expect_refused(directory_.path(), Errc::InvalidArgument, HasSubstr("it is a directory"));
  expect_refused("/", Errc::InvalidArgument, HasSubstr("it is a directory"));
}

TEST_F(HookTest, RefusesOrdinaryFiles) {
  expect_refused("/proc/version", Errc::InvalidArgument,
                 AllOf(HasSubstr("not in a BPF file system"), HasSubstr("bpftool map pin")));
  expect_refused("/dev/null", Errc::InvalidArgument, HasSubstr("not in a BPF file system"));
}

TEST_F(HookTest, RefusesPinnedPrograms) {
  const UniqueFd program = test::load_returning(2, kPlain, "test_program");
  expect_refused(directory_.pin(program.get(), "program"), Errc::InvalidArgument,
                 HasSubstr("it pins a program, not a map"));
}

TEST_F(HookTest, RefusesPinnedLinks) {
  const UniqueFd program = test::load_returning(2, kPlain, "test_program");
  const test::NetNamespace net;
  const auto inside = net.enter();
  const UniqueFd link = test::attach_xdp(program.get(), net.left_ifindex());
  const std::string path = directory_.pin(link.get(), "link");
  expect_refused(path, Errc::InvalidArgument, HasSubstr("it pins a link, not a map"));
}

TEST_F(HookTest, RefusesOtherMaps) {
  struct Case {
    std::uint32_t type;
    std::uint32_t key_bytes;
    std::uint32_t value_bytes;
    std::uint32_t entries;
    std::string_view words;
  };
  // A program array of another shape cannot be made, so the check of sizes has no case here.
  for (const Case& c :
       {Case{1, 4, 4, 5, "type hash;"}, Case{2, 4, 4, 5, "type array;"},
        Case{6, 4, 8, 5, "type per-CPU array;"}, Case{4, 4, 4, 5, "type perf event array;"},
        Case{27, 0, 0, 4096, "type ring buffer;"}, Case{14, 4, 4, 5, "type device map;"}}) {
    const UniqueFd map = test::make_map(c.type, c.key_bytes, c.value_bytes, c.entries);
    expect_refused(directory_.pin(map.get(), fmt::format("map{}", c.type)), Errc::InvalidArgument,
                   AllOf(HasSubstr(std::string(c.words)), HasSubstr("program array")));
  }
}

/// Runs `body` in a child process and returns its exit status; what it changes of the process
/// (mounts, user) is gone with it.
int in_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(body() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST_F(HookTest, SaysWhenNoBpfFileSystemIsMounted) {
  EXPECT_EQ(
      in_child([] {
        // A mount namespace with an empty /sys/fs/bpf, as `ip netns exec` makes one.
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", "/sys/fs/bpf", "tmpfs", 0, nullptr) != 0) {
          return false;
        }
        std::ofstream("/sys/fs/bpf/file") << "not a pin\n";
        for (const char* path : {"/sys/fs/bpf/hook", "/sys/fs/bpf/file", "/sys/fs/bpf"}) {
          const Result<Hook> hook = Hook::open(path);
          if (hook.has_value() ||
              hook.error().message.find("mount -t bpf bpf /sys/fs/bpf") == std::string::npos ||
              hook.error().message.find("nsenter") == std::string::npos) {
            return false;
          }
        }
        return true;
      }),
      0);
}

TEST_F(HookTest, NamesMissingCapabilities) {
  const std::string path = directory_.pin(test::make_hook().get(), "hook");
  const test::ReducedCapabilities none(0);
  const Result<Hook> hook = Hook::open(path);
  // Older kernels refuse to open pins; newer ones let whoever may read and write the file.
  if (!hook.has_value()) {
    EXPECT_EQ(hook.error().code, Errc::Permission);
    EXPECT_THAT(hook.error().message, AllOf(HasSubstr("CAP_BPF"), Not(HasSubstr("RLIMIT"))));
  }
}

TEST_F(HookTest, NamesMissingFilePermission) {
  const std::string path = directory_.pin(test::make_hook().get(), "hook");
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0400), 0);
  EXPECT_EQ(in_child([&path] {
              constexpr uid_t kNobody = 65534;
              if (::setuid(kNobody) != 0) {
                return false;
              }
              const Result<Hook> hook = Hook::open(path);
              return !hook.has_value() && hook.error().code == Errc::Permission &&
                     hook.error().message.find("may not read and write the pin") !=
                         std::string::npos;
            }),
            0);
}

TEST_F(HookTest, KnowsWhetherItHasAnOwner) {
  const UniqueFd map = test::make_hook();
  const Hook hook = Hook::open(directory_.pin(map.get(), "hook")).value();
  EXPECT_FALSE(hook.has_owner().value());
  const UniqueFd target = test::load_target(map.get(), {}, kPlain);
  EXPECT_TRUE(hook.has_owner().value());
}

TEST_F(HookTest, RefusesOwnersThatAreNotXdp) {
  const UniqueFd map = test::make_hook();
  const Hook hook = Hook::open(directory_.pin(map.get(), "hook")).value();
  const UniqueFd filter = test::load_socket_filter(map.get());
  const Result<bool> owner = hook.has_owner();
  ASSERT_FALSE(owner.has_value());
  EXPECT_EQ(owner.error().code, Errc::InvalidArgument);
  EXPECT_THAT(owner.error().message, AllOf(HasSubstr(hook.path()), HasSubstr("socket filter")));
}

TEST_F(HookTest, SaysWhoHoldsASlot) {
  const UniqueFd map = test::make_hook();
  const Hook hook = Hook::open(directory_.pin(map.get(), "hook")).value();
  EXPECT_FALSE(hook.holder(Action::Tx)->has_value());
  const UniqueFd program = test::load_returning(3, kPlain, "some_name");
  ASSERT_TRUE(put_program(map.get(), 3, program.get()).has_value());
  const std::uint32_t id = program_id(program.get()).value();
  EXPECT_EQ(hook.holder(Action::Tx).value(), id);
  EXPECT_EQ(describe_program(id), fmt::format("program {} (some_name)", id));
  EXPECT_FALSE(hook.holder(Action::Pass)->has_value());
}

TEST_F(HookTest, NamesNobodyWithoutTheRightToAsk) {
  const UniqueFd map = test::make_hook();
  const Hook hook = Hook::open(directory_.pin(map.get(), "hook")).value();
  const UniqueFd program = test::load_returning(3, kPlain, "some_name");
  ASSERT_TRUE(put_program(map.get(), 3, program.get()).has_value());
  const std::uint32_t id = program_id(program.get()).value();
  // CAP_BPF and CAP_NET_ADMIN, without CAP_SYS_ADMIN.
  const test::ReducedCapabilities few(std::uint64_t{1} << 39 | std::uint64_t{1} << 12);
  EXPECT_EQ(hook.holder(Action::Tx).value(), id);
  EXPECT_EQ(describe_program(id), fmt::format("program {}", id));
}

}  // namespace
}  // namespace xdpcap
