// SPDX-License-Identifier: BSD-3-Clause
//
// What is found of hooks, their users and the interfaces those run on.

#include "xdpcap/inspect/hook_inventory.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <set>

#include "xdpcap/hook/hook_variant.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/objects.h"
#include "xdpcap/kernel/pin.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/chain_state.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"
#include "xdpcap/tests/kernel/netns.h"

namespace xdpcap {

void PrintTo(const UserInterface& interface, std::ostream* out) {
  *out << fmt::format("{} {} {} {} via {} {}", interface.ifindex, interface.name,
                      name(interface.state), name(interface.mode), interface.via.id,
                      interface.via.name);
}

void PrintTo(const Interface& interface, std::ostream* out) {
  *out << fmt::format("{} {} {}", interface.ifindex, interface.name, name(interface.state));
}

namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};
constexpr std::uint64_t kBpfAndNetAdmin = std::uint64_t{1} << 39 | std::uint64_t{1} << 12;

std::uint32_t id_of_map(int fd) {
  return map_info(fd).value().id;
}

std::uint32_t id_of_program(int fd) {
  return program_id(fd).value();
}

/// Of a map that need not be pinned.
Result<HookFacts> facts_of(int map_fd, Scope scope = Scope::ThisNamespace) {
  return hook_facts(TRY(Hook::adopt(UniqueFd(::dup(map_fd)), "of the test")), scope);
}

UniqueFd make_named_map(bpf_map_type type, const char* name) {
  UniqueFd fd(bpf_map_create(type, name, 4, 4, 5, nullptr));
  EXPECT_TRUE(fd.is_open());
  return fd;
}

void bind_map(int program_fd, int map_fd) {
  EXPECT_EQ(bpf_prog_bind_map(program_fd, map_fd, nullptr), 0);
}

/// Keeps a program on an interface the way `ip link set` does, without a link.
void attach_without_link(int program_fd, std::uint32_t ifindex, std::uint32_t mode_flag) {
  EXPECT_EQ(bpf_xdp_attach(static_cast<int>(ifindex), program_fd, mode_flag, nullptr), 0);
}

/// The hook among all that there are; nullopt when it is not.
std::optional<HookFacts> found(std::uint32_t map_id) {
  Result<std::vector<HookFacts>> hooks = find_hooks();
  if (!hooks.has_value()) {
    ADD_FAILURE() << hooks.error().message;
    return std::nullopt;
  }
  EXPECT_TRUE(std::ranges::is_sorted(*hooks, {}, &HookFacts::map_id));
  const auto hook = std::ranges::find(*hooks, map_id, &HookFacts::map_id);
  return hook == hooks->end() ? std::nullopt : std::optional(*hook);
}

class HookInventoryTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }

  std::uint32_t hook_id() const { return id_of_map(hook_.get()); }
  UniqueFd load_user() const { return test::load_target(hook_.get(), {}, kPlain); }

  /// The only user of the hook, as seen from this namespace.  All hooks and one, in all namespaces: the same answer.
  HookUser only_user() const {
    const Result<HookFacts> one = facts_of(hook_.get(), Scope::AllNamespaces);
    const std::optional<HookFacts> all = found(hook_id());
    EXPECT_TRUE(one.has_value() && all.has_value());
    EXPECT_EQ(one->users->size(), 1U);
    EXPECT_EQ(all->users->size(), 1U);
    EXPECT_EQ(one->users->front().interfaces, all->users->front().interfaces);
    EXPECT_EQ(one->users->front().ifindexes_elsewhere, all->users->front().ifindexes_elsewhere);
    return facts_of(hook_.get())->users->front();
  }

  test::BpfDirectory directory_;
  UniqueFd hook_ = test::make_hook();
};

TEST_F(HookInventoryTest, ObjectsAreReachedByTheirIds) {
  std::uint32_t id = 0;
  {
    const UniqueFd program = load_user();
    id = id_of_program(program.get());
    EXPECT_THAT(all_program_ids().value(), Contains(id));
    EXPECT_EQ(id_of_program(open_program(id)->get()), id);
    EXPECT_EQ(id_of_map(open_map(hook_id())->get()), hook_id());
  }
  ASSERT_TRUE(test::still_there({.programs = {id}, .maps = {}}).empty());
  const Result<UniqueFd> gone = open_program(id);
  EXPECT_TRUE(is_gone(gone));
  EXPECT_THAT(gone.error().message, HasSubstr(fmt::format("open program {}", id)));
}

TEST_F(HookInventoryTest, ProgramsTellWhatTheyUse) {
  const UniqueFd program = load_user();
  std::vector<std::uint32_t> ids = {hook_id()};
  for (int i = 0; i < 20; ++i) {
    const UniqueFd map = test::make_map(2, 4, 4, 1);
    bind_map(program.get(), map.get());
    ids.push_back(id_of_map(map.get()));
  }
  const ProgramInfo info = program_info(program.get()).value();
  EXPECT_EQ(info.id, id_of_program(program.get()));
  EXPECT_EQ(info.type, kProgramTypeXdp);
  EXPECT_EQ(info.name, "test_target");
  EXPECT_EQ(info.user_id, ::getuid());
  EXPECT_THAT(info.map_ids, testing::UnorderedElementsAreArray(ids));
  EXPECT_THAT(program_info(test::load_returning(2, kPlain, "none").get())->map_ids, IsEmpty());
}

TEST_F(HookInventoryTest, WithoutCapSysAdminWhatIsUnknownIsSaid) {
  const UniqueFd user = load_user();
  ASSERT_TRUE(
      put_program(hook_.get(), 3, test::load_returning(3, kPlain, "some_name").get()).has_value());
  const std::string path = directory_.pin(hook_.get(), "hook");
  const test::ReducedCapabilities few(kBpfAndNetAdmin);
  const Result<std::vector<HookFacts>> all = find_hooks();
  ASSERT_FALSE(all.has_value());
  EXPECT_EQ(all.error().code, Errc::Permission);
  EXPECT_THAT(all.error().message, AllOf(HasSubstr("list the BPF programs of this machine"),
                                         HasSubstr("CAP_SYS_ADMIN")));
  EXPECT_EQ(all_link_ids().error().code, Errc::Permission);
  EXPECT_EQ(open_map(hook_id()).error().code, Errc::Permission);

  const HookFacts facts = hook_facts(Hook::open(path).value()).value();
  EXPECT_EQ(facts.map_id, hook_id());
  EXPECT_EQ(facts.name, "test_hook");
  EXPECT_EQ(facts.slots, 5U);
  EXPECT_TRUE(facts.is_owned);
  EXPECT_THAT(facts.paths, ElementsAre(path));
  ASSERT_FALSE(facts.users.has_value());
  EXPECT_EQ(facts.users.error().code, Errc::Permission);
  EXPECT_THAT(facts.users.error().message, HasSubstr("CAP_SYS_ADMIN"));
  ASSERT_EQ(facts.holders.size(), 1U);
  EXPECT_EQ(facts.holders.front().program.name, "");
}

TEST_F(HookInventoryTest, FindsAHookThatOnlyAProgramHolds) {
  const UniqueFd user = load_user();
  const std::uint32_t id = hook_id();
  hook_.reset();
  const std::optional<HookFacts> facts = found(id);
  ASSERT_TRUE(facts.has_value());
  EXPECT_THAT(facts->paths, IsEmpty());
  EXPECT_TRUE(facts->is_owned);
  ASSERT_EQ(facts->users->size(), 1U);
  EXPECT_EQ(facts->users->front().program,
            (ProgramName{.id = id_of_program(user.get()), .name = "test_target"}));
  EXPECT_THAT(facts->users->front().interfaces, IsEmpty());
  EXPECT_THAT(facts->users->front().ifindexes_elsewhere, IsEmpty());
}

TEST_F(HookInventoryTest, FindsPinnedHooksThatNobodyUses) {
  EXPECT_FALSE(found(hook_id()).has_value());
  const std::string path = directory_.pin(hook_.get(), "hook");
  const std::optional<HookFacts> facts = found(hook_id());
  ASSERT_TRUE(facts.has_value());
  EXPECT_FALSE(facts->is_owned);
  EXPECT_THAT(*facts->users, IsEmpty());
  EXPECT_THAT(facts->paths, ElementsAre(path));
  {
    // A user that went leaves a hook that stays its kind's.
    const UniqueFd user = load_user();
  }
  ASSERT_TRUE(found(hook_id()).has_value());
  EXPECT_TRUE(found(hook_id())->is_owned);
}

TEST_F(HookInventoryTest, LeavesOutWhatIsNoHook) {
  const UniqueFd next = make_named_map(BPF_MAP_TYPE_PROG_ARRAY, chain::kProgramsMapName);
  const UniqueFd calls_next = test::load_target(next.get(), {}, kPlain);
  const UniqueFd filter = test::load_socket_filter(hook_.get());
  const UniqueFd hash = test::make_map(1, 4, 4, 5);
  directory_.pin(next.get(), "next");
  directory_.pin(hook_.get(), "of_filter");
  directory_.pin(hash.get(), "hash");
  directory_.pin(calls_next.get(), "program");
  for (const int fd : {next.get(), hook_.get(), hash.get()}) {
    EXPECT_FALSE(found(id_of_map(fd)).has_value());
  }
  for (const int fd : {hook_.get(), hash.get()}) {
    const Result<HookFacts> facts = facts_of(fd);
    ASSERT_FALSE(facts.has_value());
    EXPECT_EQ(facts.error().code, Errc::InvalidArgument);
    EXPECT_THAT(facts.error().message, HasSubstr("hook of the test: "));
  }
}

TEST_F(HookInventoryTest, CaptureProgramsAreNoUsers) {
  const UniqueFd user = load_user();
  const UniqueFd chain = make_named_map(BPF_MAP_TYPE_ARRAY, chain::kStateMapName);
  const UniqueFd capture = load_user();
  bind_map(capture.get(), chain.get());
  ASSERT_TRUE(put_program(hook_.get(), 2, capture.get()).has_value());
  EXPECT_EQ(only_user().program.id, id_of_program(user.get()));
  // Nor is it a hook what only they use.
  const UniqueFd theirs = test::make_hook();
  bind_map(capture.get(), theirs.get());
  EXPECT_FALSE(found(id_of_map(theirs.get())).has_value());
  const std::vector<SlotProgram> holders = found(hook_id())->holders;
  ASSERT_EQ(holders.size(), 1U);
  EXPECT_EQ(holders.front().slot, 2U);
  EXPECT_EQ(holders.front().program.id, id_of_program(capture.get()));
  EXPECT_TRUE(holders.front().is_capture);
}

TEST_F(HookInventoryTest, SaysWhoSitsInSlots) {
  const UniqueFd user = load_user();
  const UniqueFd program = test::load_returning(3, kPlain, "some_name");
  for (const std::uint32_t slot : {0U, 4U}) {
    ASSERT_TRUE(put_program(hook_.get(), slot, program.get()).has_value());
  }
  const std::vector<SlotProgram> holders = found(hook_id())->holders;
  ASSERT_EQ(holders.size(), 2U);
  EXPECT_EQ(holders[0].slot, 0U);
  EXPECT_EQ(holders[1].slot, 4U);
  EXPECT_EQ(holders[1].program,
            (ProgramName{.id = id_of_program(program.get()), .name = "some_name"}));
  EXPECT_FALSE(holders[1].is_capture);
}

TEST_F(HookInventoryTest, ListsEveryPinOnce) {
  const UniqueFd user = load_user();
  const std::string directory = directory_.path() + "/sub dir";
  ASSERT_EQ(::mkdir(directory.c_str(), 0700), 0);
  const std::string second = directory_.pin(hook_.get(), "sub dir/second");
  const std::string first = directory_.pin(hook_.get(), "first");
  directory_.pin(test::make_hook().get(), "first of another");
  ASSERT_EQ(::symlink("first", (directory_.path() + "/symlink").c_str()), 0);
  EXPECT_THAT(found(hook_id())->paths, ElementsAre(first, second));
  EXPECT_THAT(hook_facts(Hook::open(second).value())->paths, ElementsAre(second, first));

  // The same file system at a second place, and one that hides another.
  std::string other = "/tmp/xdpcap-test-XXXXXX";
  ASSERT_NE(::mkdtemp(other.data()), nullptr);
  ASSERT_EQ(::mount(directory_.path().c_str(), other.c_str(), nullptr, MS_BIND, nullptr), 0);
  EXPECT_THAT(found(hook_id())->paths, ElementsAre(first, second));
  ASSERT_EQ(::mount("bpf", other.c_str(), "bpf", 0, nullptr), 0);
  EXPECT_THAT(found(hook_id())->paths, ElementsAre(first, second));
  ASSERT_EQ(::mount("none", directory_.path().c_str(), "tmpfs", 0, nullptr), 0);
  EXPECT_THAT(found(hook_id())->paths, IsEmpty());
  ::umount2(directory_.path().c_str(), MNT_DETACH);
  ::umount2(other.c_str(), MNT_DETACH);
  EXPECT_THAT(found(hook_id())->paths, ElementsAre(first, second));
  ::umount2(other.c_str(), MNT_DETACH);
  ::rmdir(other.c_str());
}

TEST_F(HookInventoryTest, PinsNeedOnlyBeReadable) {
  const UniqueFd program = load_user();
  const std::string path = directory_.pin(hook_.get(), "hook");
  const std::string secret = directory_.pin(hook_.get(), "secret");
  directory_.pin(program.get(), "program");
  ASSERT_EQ(::chmod(path.c_str(), 0400), 0);
  ASSERT_EQ(::chmod(secret.c_str(), 0), 0);
  const test::ReducedCapabilities few(kBpfAndNetAdmin);
  std::vector<PinnedMap> pins = pinned_maps().value();
  std::erase_if(pins,
                [this](const PinnedMap& pin) { return !pin.path.starts_with(directory_.path()); });
  ASSERT_EQ(pins.size(), 1U);
  EXPECT_EQ(pins.front().path, path);
  EXPECT_EQ(pins.front().map.id, hook_id());
}

TEST_F(HookInventoryTest, FindsPinsDownToALimit) {
  std::string path = directory_.path();
  for (int depth = 1; depth < kDeepestPin; ++depth) {
    path += "/d";
    ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  }
  const std::string deep = path.substr(directory_.path().size() + 1) + "/hook";
  directory_.pin(hook_.get(), deep);
  EXPECT_TRUE(found(hook_id()).has_value());
  std::filesystem::remove(directory_.path() + "/" + deep);
  for (int i = 0; i < 2; ++i) {
    path += "/d";
    ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  }
  directory_.pin(hook_.get(), path.substr(directory_.path().size() + 1) + "/hook");
  EXPECT_FALSE(found(hook_id()).has_value());
}

TEST_F(HookInventoryTest, FindsInterfacesOfEveryKind) {
  const UniqueFd user = load_user();
  const test::NetNamespace net;
  const auto inside = net.enter();
  net.run("ip link add xc2 type veth peer name xc3");
  const std::uint32_t down = ::if_nametoindex("xc2");
  const UniqueFd link = test::attach_xdp(user.get(), net.left_ifindex());
  attach_without_link(user.get(), net.right_ifindex(), XDP_FLAGS_DRV_MODE);
  const UniqueFd generic = test::attach_xdp(user.get(), down, false);
  const UserInterface left{net.left_ifindex(), "xc0", InterfaceState::Up, XdpMode::Native, {}};
  const UserInterface right{net.right_ifindex(), "xc1", InterfaceState::Up, XdpMode::Native, {}};
  const UserInterface third{down, "xc2", InterfaceState::Down, XdpMode::Generic, {}};
  EXPECT_THAT(only_user().interfaces, UnorderedElementsAre(left, right, third));
  EXPECT_THAT(only_user().ifindexes_elsewhere, IsEmpty());

  attach_without_link(-1, net.right_ifindex(), XDP_FLAGS_DRV_MODE);
  EXPECT_THAT(only_user().interfaces, UnorderedElementsAre(left, third));
}

TEST_F(HookInventoryTest, KnowsStatesAndNewNames) {
  const UniqueFd user = load_user();
  const test::NetNamespace net;
  const auto inside = net.enter();
  const UniqueFd link = test::attach_xdp(user.get(), net.left_ifindex(), false);
  UserInterface expected{net.left_ifindex(), "xc0", InterfaceState::Up, XdpMode::Generic, {}};
  EXPECT_THAT(only_user().interfaces, ElementsAre(expected));
  net.run("ip link set xc1 down");
  expected.state = InterfaceState::NoCarrier;
  EXPECT_THAT(only_user().interfaces, ElementsAre(expected));
  net.run("ip link set xc0 down");
  expected.state = InterfaceState::Down;
  EXPECT_THAT(only_user().interfaces, ElementsAre(expected));
  net.run("ip link set xc0 name fifteen_letters");
  expected.name = "fifteen_letters";
  EXPECT_THAT(only_user().interfaces, ElementsAre(expected));
  net.run("ip link del fifteen_letters");
  EXPECT_THAT(only_user().interfaces, IsEmpty());
  EXPECT_THAT(only_user().ifindexes_elsewhere, IsEmpty());
}

TEST_F(HookInventoryTest, FindsAHundredInterfaces) {
  const UniqueFd user = load_user();
  const test::NetNamespace net;
  const auto inside = net.enter();
  net.run(
      "for i in $(seq 50); do echo link add many$i type veth peer name more$i; done | ip -batch -");
  EXPECT_EQ(all_interfaces()->size(), 103U);
  const UniqueFd link = test::attach_xdp(user.get(), ::if_nametoindex("many50"), false);
  ASSERT_EQ(only_user().interfaces.size(), 1U);
  EXPECT_EQ(only_user().interfaces.front().name, "many50");
}

TEST_F(HookInventoryTest, NamesOtherNamespaces) {
  const UniqueFd user = load_user();
  const test::NetNamespace there;
  const test::NetNamespace here;
  UniqueFd link;
  {
    const auto inside = there.enter();
    attach_without_link(user.get(), there.right_ifindex(), XDP_FLAGS_DRV_MODE);
    link = test::attach_xdp(user.get(), there.left_ifindex());
  }
  const auto inside = here.enter();
  const HookFacts facts = facts_of(hook_.get(), Scope::AllNamespaces).value();
  ASSERT_EQ(facts.users->size(), 1U);
  const std::vector<UserInterface>& interfaces = facts.users->front().interfaces;
  ASSERT_EQ(interfaces.size(), 2U);
  EXPECT_NE(interfaces[0].name, interfaces[1].name);
  for (const UserInterface& interface : interfaces) {
    EXPECT_EQ(interface.network_namespace, there.name());
  }
  EXPECT_THAT(facts.users->front().ifindexes_elsewhere, IsEmpty());
  // And this process is where it was.
  EXPECT_EQ(all_interfaces().value().size(), 3U);
}

TEST_F(HookInventoryTest, NamesAProcessOfANamespaceWithoutName) {
  const UniqueFd user = load_user();
  const test::NetNamespace here;
  const auto inside = here.enter();
  std::array<int, 2> ready{};
  std::array<int, 2> stop{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(stop.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(stop[1]);
    char byte = ::unshare(CLONE_NEWNET) == 0 &&
                        bpf_xdp_attach(1, user.get(), XDP_FLAGS_SKB_MODE, nullptr) == 0
                    ? 'y'
                    : 'n';
    static_cast<void>(!::write(ready[1], &byte, 1));
    ::_exit(static_cast<int>(::read(stop[0], &byte, 1)));
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  const HookFacts facts = facts_of(hook_.get(), Scope::AllNamespaces).value();
  for (const int fd : {ready[0], ready[1], stop[0], stop[1]}) {
    ::close(fd);
  }
  ::waitpid(child, nullptr, 0);
  ASSERT_EQ(facts.users->size(), 1U);
  ASSERT_EQ(facts.users->front().interfaces.size(), 1U);
  EXPECT_EQ(facts.users->front().interfaces.front().name, "lo");
  EXPECT_THAT(facts.users->front().interfaces.front().network_namespace,
              HasSubstr(fmt::format("of process {} (", child)));
}

TEST_F(HookInventoryTest, SaysWhatLiesInAnotherNamespace) {
  const UniqueFd user = load_user();
  const test::NetNamespace there;
  const test::NetNamespace here;
  {
    const auto inside = there.enter();
    attach_without_link(user.get(), there.right_ifindex(), XDP_FLAGS_DRV_MODE);
  }
  UniqueFd link = [&] {
    const auto inside = there.enter();
    return test::attach_xdp(user.get(), there.left_ifindex());
  }();
  const auto inside = here.enter();
  // The same numbers are here, without the program.
  ASSERT_EQ(here.left_ifindex(), there.left_ifindex());
  EXPECT_THAT(only_user().interfaces, IsEmpty());
  EXPECT_THAT(only_user().ifindexes_elsewhere, ElementsAre(there.left_ifindex()));
  {
    const auto inside_there = there.enter();
    EXPECT_EQ(only_user().interfaces.size(), 2U);
    EXPECT_THAT(only_user().ifindexes_elsewhere, IsEmpty());
  }
  {
    // A link in yet another namespace, where the number is the same.
    const test::NetNamespace yonder;
    const auto inside_yonder = yonder.enter();
    const UniqueFd second_link = test::attach_xdp(user.get(), yonder.left_ifindex());
    const auto inside_here = here.enter();
    EXPECT_THAT(only_user().ifindexes_elsewhere,
                ElementsAre(there.left_ifindex(), yonder.left_ifindex()));
  }
  link.reset();
  EXPECT_THAT(only_user().ifindexes_elsewhere, IsEmpty());
}

TEST_F(HookInventoryTest, FollowsTailCalls) {
  const UniqueFd user = load_user();
  const UniqueFd table = test::make_hook(300);
  const UniqueFd first = test::load_target(table.get(), {}, kPlain);
  const test::NetNamespace net;
  const test::NetNamespace there;
  const UniqueFd link_there = [&] {
    const auto inside = there.enter();
    return test::attach_xdp(first.get(), there.right_ifindex());
  }();
  const auto inside = net.enter();
  const UniqueFd link = test::attach_xdp(first.get(), net.left_ifindex());
  EXPECT_THAT(only_user().interfaces, IsEmpty());
  ASSERT_TRUE(put_program(table.get(), 299, user.get()).has_value());
  EXPECT_THAT(only_user().interfaces,
              ElementsAre(UserInterface{net.left_ifindex(),
                                        "xc0",
                                        InterfaceState::Up,
                                        XdpMode::Native,
                                        {id_of_program(first.get()), "test_target"}}));
  EXPECT_THAT(only_user().ifindexes_elsewhere, ElementsAre(there.right_ifindex()));
}

TEST_F(HookInventoryTest, LeavesNothingBehind) {
  const UniqueFd user = load_user();
  directory_.pin(hook_.get(), "hook");
  const auto before = test::open_descriptors();
  EXPECT_TRUE(found(hook_id()).has_value());
  EXPECT_TRUE(facts_of(hook_.get()).has_value());
  EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace xdpcap
