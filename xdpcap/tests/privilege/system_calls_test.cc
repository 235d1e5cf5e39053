// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/system_calls.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "base/file_io.h"
#include "base/testing/temporary_directory.h"
#include "xdpcap/tests/privilege/child.h"

namespace xdpcap {
namespace {

using test::in_child;
using test::load_program;
using test::outcome;

const std::string kYes = "yes";
const std::string kKilled = "killed by Bad system call";
const std::string kRefused = "EPERM";

/// What was made before the filter came.
struct Stage {
  test::TemporaryDirectory directory;
  int file = ::open(directory.path("file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  int map = make_map();
  int parent = ::open(directory.path("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  std::array<int, 2> sockets = make_sockets();

  ~Stage() {
    for (const int fd : {file, map, parent, sockets[0], sockets[1]}) {
      ::close(fd);
    }
  }

  static std::array<int, 2> make_sockets() {
    std::array<int, 2> made{-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made.data()), 0);
    return made;
  }
  static int make_map() {
    bpf_attr attributes{};
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = attributes.value_size = sizeof(std::uint32_t);
    attributes.max_entries = 1;
    return static_cast<int>(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes)));
  }
};

bool with_element(const Stage& stage, int command) {
  std::uint32_t key = 0;
  std::uint32_t value = 0;
  bpf_attr attributes{};
  attributes.map_fd = static_cast<std::uint32_t>(stage.map);
  attributes.key = reinterpret_cast<std::uintptr_t>(&key);
  attributes.value = reinterpret_cast<std::uintptr_t>(&value);
  return ::syscall(SYS_bpf, command, &attributes, sizeof(attributes)) == 0;
}

bool look_up(const Stage& stage) {
  return with_element(stage, BPF_MAP_LOOKUP_ELEM);
}

bool change(const Stage& stage) {
  return with_element(stage, BPF_MAP_UPDATE_ELEM);
}

bool bpf(int command) {
  bpf_attr attributes{};
  return ::syscall(SYS_bpf, command, &attributes, sizeof(attributes)) >= 0;
}

/// Whether the kernel looks at the command at all, which has no attributes.
bool reaches_bpf(int command) {
  return bpf(command) || errno != EPERM;
}

bool start_thread() {
  int done = 0;
  std::thread([&] { done = 1; }).join();
  return done == 1;
}

bool fork_child() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(0);
  }
  return child > 0;
}

bool map_memory(int protection) {
  return ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

bool make_executable() {
  void* const page =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

bool open_path(const std::string& path, int flags) {
  return ::open(path.c_str(), flags | O_CLOEXEC, 0600) >= 0;
}

bool run_program() {
  char name[] = "/bin/true";
  std::array<char*, 2> arguments{name, nullptr};
  return ::execv(name, arguments.data()) == 0;
}

bool read_other_memory() {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  return ::process_vm_readv(::getpid(), &part, 1, &part, 1, 0) == 1;
}

/// As a program for x32 does, whose numbers have a bit of their own.
bool call_as_x32_program() {
#if defined(__x86_64__)
  constexpr long kX32Bit = 0x40000000;
  return ::syscall(kX32Bit | SYS_getpid) > 0;
#else
  ::syscall(SYS_execve, nullptr, nullptr, nullptr);  // no other that could be tried
  return false;
#endif
}

struct Probe {
  std::string name;
  bool (*attempt)(const Stage& stage);
  std::array<std::string, 3> wanted;  ///< Capture, CaptureWithFiles, Guardian
  /// The runtimes of sanitizers need it, too, so that it passes there.
  bool is_a_sanitizers = false;
};

constexpr bool kSanitizersCall = true;

const Probe kProbes[] = {
    // What a capture does.
    {"write", [](const Stage& s) { return ::write(s.file, "x", 1) == 1; }, {kYes, kYes, kYes}},
    {"lseek", [](const Stage& s) { return ::lseek(s.file, 0, SEEK_SET) == 0; }, {kYes, kYes, kYes}},
    {"ftruncate",
     [](const Stage& s) { return ::ftruncate(s.file, 5) == 0; },
     {kYes, kYes, kRefused}},
    {"fstat",
     [](const Stage& s) {
       struct stat status{};
       return file_status(s.file, status);
     },
     {kYes, kYes, kYes}},
    {"send",
     [](const Stage& s) { return ::send(s.sockets[0], "x", 1, 0) == 1; },
     {kYes, kYes, kYes}},
    {"close", [](const Stage& s) { return ::close(s.file) == 0; }, {kYes, kYes, kYes}},
    {"get flags", [](const Stage& s) { return ::fcntl(s.file, F_GETFL) >= 0; }, {kYes, kYes, kYes}},
    {"poll", [](const Stage&) { return ::poll(nullptr, 0, 1) == 0; }, {kYes, kYes, kYes}},
    {"sleep",
     [](const Stage&) {
       constexpr timespec kShort{.tv_sec = 0, .tv_nsec = 1};
       return ::nanosleep(&kShort, nullptr) == 0;
     },
     {kYes, kYes, kYes}},
    {"thread", [](const Stage&) { return start_thread(); }, {kYes, kYes, kYes}},
    {"memory", [](const Stage&) { return map_memory(PROT_READ | PROT_WRITE); }, {kYes, kYes, kYes}},
    {"much memory",
     [](const Stage&) { return std::vector<char>(64U << 20U, 'x').back() == 'x'; },
     {kYes, kYes, kYes}},
    {"membarrier",
     [](const Stage&) { return ::syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) >= 0; },
     {kRefused, kRefused, kYes}},
    {"visit a CPU",
     [](const Stage&) {
       cpu_set_t cpus;
       return ::sched_getaffinity(0, sizeof(cpus), &cpus) == 0 &&
              ::sched_setaffinity(0, sizeof(cpus), &cpus) == 0;
     },
     {kRefused, kRefused, kYes},
     kSanitizersCall},
    {"look up", look_up, {kYes, kYes, kYes}},
    {"terminal",
     [](const Stage& s) { return ::isatty(s.file) == 1; },
     {"ENOTTY", "ENOTTY", "ENOTTY"}},
    {"window size",
     [](const Stage& s) {
       winsize size{};
       return ::ioctl(s.file, TIOCGWINSZ, &size) == 0;
     },
     {"ENOTTY", "ENOTTY", "ENOTTY"}},
    {"limits",
     [](const Stage&) {
       rlimit limit{};
       return ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
     },
     {kYes, kYes, kYes}},
    {"abort",
     [](const Stage&) -> bool { std::abort(); },
     {"killed by Aborted", "killed by Aborted", "killed by Aborted"}},
    // Files.
    {"lock",
     [](const Stage& s) {
       struct flock range{};
       range.l_type = F_WRLCK;
       range.l_len = 1;
       return ::fcntl(s.file, F_SETLK, &range) == 0;
     },
     {kRefused, kRefused, kRefused}},
    {"copy",
     [](const Stage& s) { return ::sendfile(s.file, s.file, nullptr, 0) == 0; },
     {kRefused, kRefused, kRefused}},
    {"open to read",
     [](const Stage& s) { return open_path(s.directory.path("file"), O_RDONLY); },
     {kRefused, kYes, kRefused},
     kSanitizersCall},
    {"open to write",
     [](const Stage& s) { return open_path(s.directory.path("file"), O_WRONLY); },
     {kRefused, kYes, kRefused},
     kSanitizersCall},
    {"create",
     [](const Stage& s) { return open_path(s.directory.path("new"), O_RDONLY | O_CREAT); },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"empty",
     [](const Stage& s) { return open_path(s.directory.path("file"), O_RDONLY | O_TRUNC); },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"create a file of its own",
     [](const Stage& s) {
       return open_path(s.directory.path("new"), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
     },
     {kRefused, kYes, kRefused},
     kSanitizersCall},
    {"open to change",
     [](const Stage& s) { return open_path(s.directory.path("file"), O_RDWR); },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"open a directory",
     [](const Stage& s) { return open_path(s.directory.path(""), O_RDONLY | O_DIRECTORY); },
     {kRefused, kYes, kYes},
     kSanitizersCall},
    {"open beyond a directory, as another system call",
     [](const Stage& s) {
       struct {
         std::uint64_t flags = O_RDONLY, mode = 0, resolve = 0;
       } how;
       return ::syscall(SYS_openat2, s.parent, "file", &how, sizeof(how)) >= 0;
     },
     {kRefused, kRefused, kRefused}},
    {"file in memory",
     [](const Stage&) { return ::memfd_create("file", MFD_CLOEXEC) >= 0; },
     {kRefused, kRefused, kRefused}},
    {"descriptors from another process",
     [](const Stage& s) {
       msghdr header{};
       return ::recvmsg(s.sockets[0], &header, MSG_DONTWAIT) >= 0 || errno == EAGAIN;
     },
     {kRefused, kRefused, kRefused}},
    {"rename",
     [](const Stage& s) { return ::renameat(s.parent, "file", s.parent, "new") == 0; },
     {kRefused, kYes, kRefused}},
    {"unlink",
     [](const Stage& s) { return ::unlinkat(AT_FDCWD, s.directory.path("file").c_str(), 0) == 0; },
     {kRefused, kYes, kYes}},
    {"status",
     [](const Stage& s) {
       struct stat status{};
       return ::stat(s.directory.path("file").c_str(), &status) == 0;
     },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    // Whether a file exists: a path may stand where fstat() of the C library has none.
    {"status of a path",
     [](const Stage& s) {
       struct stat status{};
       return ::fstatat(AT_FDCWD, s.directory.path("file").c_str(), &status, AT_EMPTY_PATH) == 0;
     },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"status of a path, more of it",
     [](const Stage& s) {
       struct statx status{};
       return ::statx(AT_FDCWD, s.directory.path("file").c_str(), AT_EMPTY_PATH, STATX_MODE,
                      &status) == 0;
     },
     {kRefused, kRefused, kRefused}},
    {"access",
     [](const Stage& s) { return ::access(s.directory.path("file").c_str(), F_OK) == 0; },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"link that is read",
     [](const Stage&) {
       char target[8];
       return ::readlink("/proc/self/exe", target, sizeof(target)) > 0;
     },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"mode",
     [](const Stage& s) { return ::fchmod(s.file, 0666) == 0; },
     {kRefused, kYes, kRefused}},
    {"owner",
     [](const Stage& s) { return ::fchown(s.file, 1, 1) == 0; },
     {kRefused, kRefused, kRefused}},
    {"mkdir",
     [](const Stage& s) { return ::mkdir(s.directory.path("new").c_str(), 0700) == 0; },
     {kRefused, kRefused, kYes}},
    // Sockets.
    {"unix socket",
     [](const Stage&) { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0; },
     {kRefused, kRefused, kRefused}},
    {"netlink socket",
     [](const Stage&) { return ::socket(AF_NETLINK, SOCK_RAW, 0) >= 0; },
     {kRefused, kRefused, kYes}},
    {"network socket",
     [](const Stage&) { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0; },
     {kRefused, kRefused, kRefused}},
    // BPF.
    {"load a program", [](const Stage&) { return load_program(); }, {kKilled, kKilled, kYes}},
    {"make a map", [](const Stage&) { return Stage::make_map() >= 0; }, {kRefused, kRefused, kYes}},
    {"list maps",
     [](const Stage&) { return bpf(BPF_MAP_GET_NEXT_ID); },
     {kRefused, kRefused, kYes}},
    {"change an element", change, {kRefused, kRefused, kYes}},
    {"delete an element",
     [](const Stage& s) { return with_element(s, BPF_MAP_DELETE_ELEM); },
     {kRefused, kRefused, "EINVAL"}},
    {"open a pin",
     [](const Stage&) { return reaches_bpf(BPF_OBJ_GET); },
     {kRefused, kRefused, kYes}},
    {"pin", [](const Stage&) { return reaches_bpf(BPF_OBJ_PIN); }, {kRefused, kRefused, kYes}},
    {"attach", [](const Stage&) { return bpf(BPF_LINK_CREATE); }, {kRefused, kRefused, kRefused}},
    // What no profile has.
    {"fork",
     [](const Stage&) { return fork_child(); },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"clone3",
     [](const Stage&) { return ::syscall(SYS_clone3, nullptr, 0) >= 0; },
     {"ENOSYS", "ENOSYS", "ENOSYS"}},
    {"thread in another namespace",
     [](const Stage&) {
       return ::syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWNET, 0, 0, 0,
                        0) >= 0;
     },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"code",
     [](const Stage&) { return map_memory(PROT_READ | PROT_EXEC); },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"code of data",
     [](const Stage&) { return make_executable(); },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"signal",
     [](const Stage&) { return ::kill(::getppid(), 0) == 0; },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"signal a thread",
     [](const Stage&) { return ::syscall(SYS_tgkill, 1, 1, 0) == 0; },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"owner of signals",
     [](const Stage& s) { return ::fcntl(s.file, F_SETOWN, 1) == 0; },
     {kRefused, kRefused, kRefused}},
    {"type into a terminal",
     [](const Stage& s) { return ::ioctl(s.file, TIOCSTI, "x") == 0; },
     {kRefused, kRefused, kRefused}},
    {"set limits",
     [](const Stage&) {
       const rlimit limit{.rlim_cur = 100, .rlim_max = 100};
       return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
     },
     {kRefused, kRefused, kRefused},
     kSanitizersCall},
    {"user",
     [](const Stage&) { return ::syscall(SYS_setuid, 1) == 0; },
     {kRefused, kRefused, kRefused}},
    {"system call that does not exist",
     [](const Stage&) { return ::syscall(100'000) == 0; },
     {kRefused, kRefused, kRefused}},
    {"execve", [](const Stage&) { return run_program(); }, {kKilled, kKilled, kKilled}},
    {"ptrace",
     [](const Stage&) { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; },
     {kKilled, kKilled, kKilled},
     kSanitizersCall},
    {"memory of others",
     [](const Stage&) { return read_other_memory(); },
     {kKilled, kKilled, kKilled}},
    {"kernel module",
     [](const Stage&) { return ::syscall(SYS_init_module, nullptr, 0, "") == 0; },
     {kKilled, kKilled, kKilled}},
    {"mount",
     [](const Stage&) { return ::mount("", "/", "", MS_REMOUNT, nullptr) == 0; },
     {kKilled, kKilled, kKilled}},
    {"namespaces",
     [](const Stage&) { return ::unshare(CLONE_NEWNS) == 0; },
     {kKilled, kKilled, kKilled}},
    {"call of another architecture",
     [](const Stage&) { return call_as_x32_program(); },
     {kKilled, kKilled, kKilled}},
};

TEST(SystemCalls, PassFailOrKillAsTheProfileSays) {
  constexpr std::array kProfiles = {SystemCalls::Capture, SystemCalls::CaptureWithFiles,
                                    SystemCalls::Guardian};
  for (const Probe& probe : kProbes) {
    if (kIsSanitized && probe.is_a_sanitizers) {
      continue;
    }
    for (std::size_t i = 0; i < kProfiles.size(); ++i) {
      const Stage stage;
      ASSERT_GE(stage.file, 0);
      ASSERT_GE(stage.map, 0) << "run as root";
      EXPECT_EQ(in_child([&] {
                  const Result<void> restricted = restrict_system_calls(kProfiles[i]);
                  return restricted ? outcome(probe.attempt(stage)) : restricted.error().message;
                }),
                probe.wanted[i])
          << probe.name << ", profile " << i;
    }
  }
}

TEST(SystemCalls, ProbesFailForNoOtherReason) {
  // Without a filter all of what is refused above with EPERM works, or fails in another way.
  for (const Probe& probe : kProbes) {
    const Stage stage;
    const std::string without = in_child([&] { return outcome(probe.attempt(stage)); });
    EXPECT_NE(without, kRefused) << probe.name;
    EXPECT_NE(without, kKilled) << probe.name;
  }
}

TEST(SystemCalls, AreRestrictedInThreadsThatAreThere) {
  EXPECT_EQ(in_child([]() -> std::string {
              std::atomic<bool> is_restricted = false;
              std::string said;
              std::thread thread([&] {
                while (!is_restricted) {
                  std::this_thread::yield();
                }
                said = outcome(::socket(AF_INET, SOCK_STREAM, 0) >= 0);
              });
              const Result<void> restricted = restrict_system_calls(SystemCalls::Capture);
              is_restricted = true;
              thread.join();
              return restricted ? said : restricted.error().message;
            }),
            kRefused);
}

TEST(SystemCalls, CanBeRestrictedWithoutRights) {
  EXPECT_EQ(in_child([]() -> std::string {
              EXPECT_EQ(::setresuid(65534, 65534, 65534), 0);
              const Result<void> restricted = restrict_system_calls(SystemCalls::Capture);
              return restricted ? fmt::format("{}", ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))
                                : restricted.error().message;
            }),
            kIsSanitized ? "1" : "-1")
      << "no profile has prctl()";
}

}  // namespace
}  // namespace xdpcap
