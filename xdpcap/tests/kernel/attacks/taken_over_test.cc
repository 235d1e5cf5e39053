// SPDX-License-Identifier: BSD-3-Clause
//
// A capture whose packet parser, say, was taken over: what runs there has its descriptors, its privileges and its seccomp filter, and
// wants to change a verdict, to outlive the capture, or to read what is not its business.
//
// The test makes the capture's process make such system calls (tracee.h), and tries its descriptors itself.

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xdpcap/kernel/features.h>
#include <xdpcap/kernel/map.h>
#include <xdpcap/privilege/system_calls.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string_view>
#include <thread>

#include "xdpcap/tests/kernel/attacks/attack_test.h"
#include "xdpcap/tests/kernel/attacks/tracee.h"

namespace xdpcap::test {
namespace {

/// A descriptor of another process, copied into this one.
struct Stolen {
  int number = -1;  ///< there
  std::string what;
  UniqueFd fd;
};

std::vector<Stolen> steal_descriptors(pid_t pid) {
  std::vector<Stolen> stolen;
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
    Stolen one{.number = std::stoi(entry.path().filename().string()),
               .what = std::filesystem::read_symlink(entry.path()).string(),
               .fd = {}};
    one.fd = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), one.number, 0)));
    EXPECT_TRUE(one.fd.is_open()) << one.what;
    stolen.push_back(std::move(one));
  }
  return stolen;
}

/// A line of /proc/PID/status of each thread: "CapEff", say.
std::vector<std::string> status_of_threads(pid_t pid, const std::string& field) {
  std::vector<std::string> values;
  for (const auto& thread :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    std::ifstream file(thread.path().string() + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(field + ":\t")) {
        values.push_back(line.substr(field.size() + 2));
      }
    }
  }
  return values;
}

/// Ways to capture that need different things.
struct Kind {
  const char* name;
  std::vector<std::string> (*options)(const Stage& stage);
};

void PrintTo(const Kind& kind, std::ostream* stream) {
  *stream << kind.name;
}

std::vector<std::string> with_statistics(const Stage& stage) {
  std::filesystem::create_directory(stage.file("statistics"));
  return {"-stats-prometheus", stage.file("statistics/xdpcap.prom")};
}
std::vector<std::string> with_filter(const Stage& stage) {
  std::filesystem::create_directory(stage.file("filter"));
  std::ofstream(stage.file("filter/text")) << "greater 1";
  return {"-F", stage.file("filter/text")};
}
const Kind kKinds[] = {
    {.name = "Plain", .options = [](const Stage& /*stage*/) { return std::vector<std::string>{}; }},
    {.name = "FilterFromFile", .options = with_filter},
    {.name = "StatisticsInFile", .options = with_statistics},
    {.name = "Recorder",
     .options = [](const Stage& /*stage*/) { return std::vector<std::string>{"-ring", "1M"}; }},
};

class TakenOver : public AttackTest, public testing::WithParamInterface<Kind> {
 protected:
  std::unique_ptr<Watched> start() const {
    std::vector<std::string> command = xdpcap_command(GetParam().options(stage()));
    command.insert(command.end(), {"-q", hook(), stage().file("out.pcapng")});
    std::filesystem::remove(stage().file("out.pcapng"));
    auto capture = std::make_unique<Watched>(stage(), command, 0);
    // It has entered; what it gives up after that comes within moments.
    EXPECT_TRUE(becomes_true([&] {
      const std::vector<std::string> modes = status_of_threads(capture->pid(), "Seccomp");
      return !modes.empty() && modes.front() == "2";
    }));
    return capture;
  }
  static void expect_ends(Watched& capture) {
    capture.process().signal(SIGINT);
    const Ended end = capture.process().wait(Millis(5'000));
    EXPECT_TRUE(end.is_over);
    EXPECT_EQ(end.exit_code, 0) << capture.process().errors();
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, TakenOver, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return std::string(kind.param.name); });

TEST_P(TakenOver, HasNoCapabilities) {
  constexpr std::uint64_t kBpf = std::uint64_t{1} << 39;
  const std::uint64_t kept = maps_are_for_everybody() ? 0 : kBpf;  // see xdpcap/kernel/features.h
  const std::unique_ptr<Watched> capture = start();
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    for (const std::string& value : status_of_threads(capture->pid(), set)) {
      const std::string_view name = set;
      EXPECT_EQ(std::stoull(value, nullptr, 16), name == "CapPrm" || name == "CapEff" ? kept : 0U)
          << set;
    }
  }
  for (const std::string& value : status_of_threads(capture->pid(), "NoNewPrivs")) {
    EXPECT_EQ(value, "1");
  }
  for (const std::string& value : status_of_threads(capture->pid(), "Seccomp")) {
    EXPECT_EQ(value, "2");
  }
  expect_ends(*capture);
}

TEST_P(TakenOver, HasNoDescriptorThatLeadsToTheHook) {
  const std::unique_ptr<Watched> capture = start();
  for (const Stolen& one : steal_descriptors(capture->pid())) {
    EXPECT_NE(one.what, "anon_inode:bpf-prog") << one.number;
    EXPECT_NE(one.what, "anon_inode:bpf_link") << one.number;
    EXPECT_FALSE(one.what.starts_with(stage().rig().pins().path())) << one.what;
    EXPECT_FALSE(one.what.starts_with("anon_inode:[pidfd]")) << one.number;
    if (one.what == "anon_inode:bpf-map") {
      EXPECT_NE(map_info(one.fd.get())->type, kMapTypeProgramArray) << map_info(one.fd.get())->name;
    }
  }
  expect_ends(*capture);
}

// What a program array takes, written into every map that it has: descriptors of a program that drops, in every slot.
TEST_P(TakenOver, ChangesNoVerdictByItsDescriptors) {
  const UniqueFd drops =
      load_returning(kDrop, {.expected_attach_type = 37, .multi_buffer = false}, "drops");
  start_traffic();
  const std::unique_ptr<Watched> capture = start();
  const std::vector<Stolen> stolen = steal_descriptors(capture->pid());
  const auto for_each_element = [&](const auto& change) {
    for (const Stolen& one : stolen) {
      if (one.what == "anon_inode:bpf-map") {
        const MapInfo info = map_info(one.fd.get()).value();
        std::vector<std::uint8_t> value(std::max<std::size_t>(info.value_size_bytes, 64) * 256,
                                        0xff);
        const int program = drops.get();
        std::memcpy(value.data(), &program, sizeof(program));
        for (std::uint32_t key = 0; key < std::min(info.max_entries, 2'000U); ++key) {
          change(one.fd.get(), key, value.data());
        }
      }
    }
  };
  for_each_element([](int map, std::uint32_t key, const void* value) {
    bpf_map_update_elem(map, &key, value, BPF_ANY);
  });
  traffic().await_more(2'000);
  for_each_element([](int map, std::uint32_t key, const void*) { bpf_map_delete_elem(map, &key); });
  traffic().await_more(2'000);
  capture->process().signal(SIGINT);
  // Its numbers are wrong now, which it may say.
  EXPECT_TRUE(capture->process().wait(Millis(5'000)).is_over);
  EXPECT_TRUE(becomes_true([&] { return filled_slots(hook_fd()) == 0; }));
  traffic().await_more(2'000);
  stop_traffic();
}

// Messages that no capture sends, on every socket that it has.
TEST_P(TakenOver, ChangesNoVerdictByWhatItTellsItsGuardian) {
  constexpr int kMessages = 3'000;
  start_traffic();
  std::unique_ptr<Watched> capture = start();
  std::mt19937 random(4);
  std::size_t sockets = 0;
  for (const Stolen& one : steal_descriptors(capture->pid())) {
    if (!one.what.starts_with("socket:")) {
      continue;
    }
    ++sockets;
    for (int i = 0; i < kMessages; ++i) {
      std::vector<std::uint8_t> message(random() % (i % 16 == 0 ? 60'000 : 200));
      for (std::uint8_t& byte : message) {
        byte = static_cast<std::uint8_t>(random());
      }
      // A kind of message, and small numbers, are likely to be at the start.
      for (std::size_t at = 0; at < message.size() && at < 16; ++at) {
        message[at] = at % 4 == 0 ? static_cast<std::uint8_t>(random() % 24) : 0;
      }
      if (::send(one.fd.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
          errno != EAGAIN && errno != EMSGSIZE) {
        break;
      }
    }
  }
  EXPECT_GT(sockets, 0U);
  traffic().await_more(2'000);
  capture->process().signal(SIGINT);
  const Ended end = capture->process().wait(Millis(8'000));
  EXPECT_TRUE(end.is_over) << capture->process().errors();
  EXPECT_TRUE(end.exit_code == 0 || end.exit_code == 1)
      << end.exit_code << ", signal " << end.signal;
  EXPECT_TRUE(becomes_true([&] { return filled_slots(hook_fd()) == 0; }));
  expect_captures();
  stop_traffic();
}

/// A system call that a capture has no business making.
struct Attempt {
  std::string name;
  long number;
  Tracee::Arguments arguments;
};

class Attempts {
 public:
  Attempts(Tracee& tracee, pid_t guardian, const std::string& hook, std::uint32_t map_id,
           std::uint32_t program_id, const std::string& output)
      : tracee_(tracee) {
    const std::uint64_t passwd = tracee.put("/etc/passwd");
    const std::uint64_t memory = tracee.put("/proc/self/mem");
    const std::uint64_t path = tracee.put(hook);
    const std::uint64_t directory = tracee.put(std::filesystem::path(hook).parent_path().string());
    const std::uint64_t file = tracee.put(output);
    const std::uint64_t other = tracee.put(output + ".other");
    const std::uint64_t shell = tracee.put("/bin/sh");
    const auto guardian_pid = static_cast<std::uint64_t>(guardian);
    constexpr auto kHere = static_cast<std::uint64_t>(AT_FDCWD);
    all = {
        {"read /etc/passwd", SYS_openat, {kHere, passwd, O_RDONLY}},
        {"open(2) /etc/passwd", SYS_open, {passwd, O_RDONLY}},
        {"openat2 /etc/passwd",
         SYS_openat2,
         {kHere, passwd, tracee.put(std::string(24, '\0')), 24}},
        {"write own memory", SYS_openat, {kHere, memory, O_RDWR}},
        {"create a file", SYS_openat, {kHere, other, O_CREAT | O_WRONLY, 0666}},
        {"open the hook's directory", SYS_openat, {kHere, directory, O_RDONLY | O_DIRECTORY}},
        {"remove the output", SYS_unlinkat, {kHere, file, 0}},
        {"rename the output", SYS_renameat2, {kHere, file, kHere, other, 0}},
        {"link the output", SYS_linkat, {kHere, file, kHere, other, 0}},
        {"remove the hook's pin", SYS_unlink, {path}},
        {"make a directory", SYS_mkdirat, {kHere, other, 0777}},
        {"change permissions", SYS_fchmodat, {kHere, file, 0666}},
        {"change the owner", SYS_fchownat, {kHere, file, 65534, 65534, 0}},
        {"truncate by name", SYS_truncate, {file, 0}},
        {"kill the guardian", SYS_kill, {guardian_pid, SIGKILL}},
        {"a descriptor of the guardian", SYS_pidfd_open, {guardian_pid, 0}},
        {"trace the guardian", SYS_ptrace, {16, guardian_pid, 0, 0}},
        {"read the guardian's memory", SYS_process_vm_readv, {guardian_pid, 0, 0, 0, 0, 0}},
        {"run a program", SYS_execve, {shell, 0, 0}},
        {"a new process", SYS_clone, {SIGCHLD, 0, 0, 0, 0}},
        {"a new process (clone3)", SYS_clone3, {tracee.put(std::string(88, '\0')), 88}},
        {"a network socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
        {"a packet socket", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
        {"a netlink socket", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}},
        {"become root", SYS_setresuid, {0, 0, 0}},
        {"namespaces", SYS_unshare, {CLONE_NEWUSER}},
        {"mount", SYS_mount, {0, directory, 0, 0, 0}},
        {"be dumpable", SYS_prctl, {PR_SET_DUMPABLE, 1, 0, 0, 0}},
        {"perf events", SYS_perf_event_open, {0, 0, static_cast<std::uint64_t>(-1), 0, 0}},
        {"io_uring", SYS_io_uring_setup, {8, tracee.put(std::string(120, '\0'))}},
        {"userfaultfd", SYS_userfaultfd, {1}},
        {"executable memory",
         SYS_mmap,
         {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
          static_cast<std::uint64_t>(-1), 0}},
    };
    bpf_attr get{};
    get.pathname = path;
    add_bpf("the hook by its path", BPF_OBJ_GET, get);
    bpf_attr by_id{};
    by_id.map_id = map_id;
    add_bpf("the hook by its id", BPF_MAP_GET_FD_BY_ID, by_id);
    bpf_attr program{};
    program.prog_id = program_id;
    add_bpf("a program by its id", BPF_PROG_GET_FD_BY_ID, program);
    bpf_attr create{};
    create.map_type = BPF_MAP_TYPE_PROG_ARRAY;
    create.key_size = create.value_size = 4;
    create.max_entries = 5;
    add_bpf("a new program array", BPF_MAP_CREATE, create);
    const bpf_insn returns[] = {{.code = 0xb7, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 1},
                                {.code = 0x95, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_XDP;
    load.insns = tracee.put({reinterpret_cast<const char*>(returns), sizeof(returns)});
    load.insn_cnt = 2;
    load.license = tracee.put("GPL");
    add_bpf("a new program", BPF_PROG_LOAD, load);
  }

  std::vector<Attempt> all;

 private:
  void add_bpf(const std::string& name, int command, const bpf_attr& attributes) {
    const std::uint64_t at =
        tracee_.put({reinterpret_cast<const char*>(&attributes), sizeof(attributes)});
    all.push_back({name, SYS_bpf, {static_cast<std::uint64_t>(command), at, sizeof(attributes)}});
  }

  Tracee& tracee_;
};

TEST_P(TakenOver, MayMakeNoSystemCallThatLeadsFurther) {
  if (!kCanTakeOver || kIsSanitized) {
    GTEST_SKIP() << "on x86-64 only so far, and sanitizers make such calls themselves";
  }
  start_traffic();
  std::size_t attempts = 1;
  for (std::size_t i = 0; i < attempts; ++i) {
    const std::unique_ptr<Watched> capture = start();
    bool was_killed = false;
    {
      Tracee tracee(capture->pid());
      const Attempts all(tracee, capture->guardian(), hook(), map_info(hook_fd())->id,
                         slots_of(hook_fd()).front(), stage().file("out.pcapng"));
      attempts = all.all.size();
      // Until the kernel kills it for one; a new capture does the rest.
      for (; i < attempts && !was_killed; ++i) {
        const Attempt& attempt = all.all[i];
        const std::optional<std::int64_t> result = tracee.call(attempt.number, attempt.arguments);
        EXPECT_LT(result.value_or(-1), 0) << attempt.name << " gave " << *result;
        was_killed = !result;
      }
      --i;
    }
    if (was_killed) {
      const Ended end = capture->process().wait(Millis(5'000));
      EXPECT_EQ(end.signal, SIGSYS);
      EXPECT_TRUE(becomes_true([&] { return filled_slots(hook_fd()) == 0; }, Millis(1'000)));
    } else {
      expect_ends(*capture);
    }
  }
  EXPECT_TRUE(std::filesystem::exists(hook()));
  stop_traffic();
}

// Directories that it may have open, to read or replace a file there, lead to no bytes elsewhere.  (That a file exists can be found out.)
TEST_P(TakenOver, DirectoriesLeadNowhereElse) {
  if (!kCanTakeOver || kIsSanitized) {
    GTEST_SKIP() << "on x86-64 only so far, and sanitizers make such calls themselves";
  }
  const std::unique_ptr<Watched> capture = start();
  std::vector<int> directories;
  for (const Stolen& one : steal_descriptors(capture->pid())) {
    struct stat status{};
    if (::fstat(one.fd.get(), &status) == 0 && S_ISDIR(status.st_mode)) {
      directories.push_back(one.number);
    }
  }
  for (const int directory : directories) {
    Tracee tracee(capture->pid());
    const std::uint64_t passwd = tracee.put("../../../../../../etc/passwd");
    const std::uint64_t absolute = tracee.put("/etc/passwd");
    for (const std::uint64_t path : {passwd, absolute}) {
      for (const int flags : {O_RDONLY, O_WRONLY}) {
        const std::optional<std::int64_t> result = tracee.call(
            SYS_openat,
            {static_cast<std::uint64_t>(directory), path, static_cast<std::uint64_t>(flags)});
        EXPECT_LT(result.value_or(-1), 0)
            << "flags " << flags << (path == absolute ? ", absolute" : "");
      }
    }
  }
  expect_ends(*capture);
}

class LongFilter : public AttackTest {};

/// A filter that takes the compiler a minute.
void write_long_filter(const std::string& path) {
  constexpr std::uint32_t kComparisons = 200'000;
  std::string text = fmt::format("{}", 3 * kComparisons + 1);
  for (std::uint32_t i = 0; i < kComparisons; ++i) {
    text += fmt::format(",32 0 0 {},21 0 1 {},6 0 0 {}", i % 1'000, i * 2'654'435'761U, i % 65'536);
  }
  std::ofstream(path + ".new") << text << ",6 0 0 0\n";
  std::filesystem::rename(path + ".new", path);
}

// A guardian that compiles it is not kept from its work: its capture dies meanwhile.
TEST_F(LongFilter, KeepsNoDeadCaptureInTheHook) {
  std::vector<std::string> command = xdpcap_command(with_filter(stage()));
  command.insert(command.end(), {"-q", hook(), stage().file("out.pcapng")});
  start_traffic();
  Watched capture(stage(), command, 0);
  write_long_filter(stage().file("filter/text"));
  capture.process().signal(SIGUSR2);
  std::this_thread::sleep_for(Millis(3'000));  // until the guardian has it
  capture.process().signal(SIGKILL);
  capture.process().wait();
  EXPECT_TRUE(becomes_true([&] { return filled_slots(hook_fd()) == 0; }, Millis(1'000)));
  stop_traffic();
}

}  // namespace
}  // namespace xdpcap::test
