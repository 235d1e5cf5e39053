// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/system_calls.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>

#include "base/text.h"

namespace xdpcap {
namespace {

/// Of every profile: descriptors that are open, memory, threads, time, signals, the end.
constexpr int kCommon[] = {
    // Descriptors.  The status of one is fstat(2) itself (base/file_io.h).
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(lseek), SCMP_SYS(_llseek),
    SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(ppoll),
    SCMP_SYS(sendto),
    // Memory; mmap and mprotect are below.
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    // Threads; clone is below.
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu),
    // Time.
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall),
    // Signals; tgkill is below.
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    // What the process and the machine are.
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(capget), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrandom),
    // The end.
    SCMP_SYS(exit), SCMP_SYS(exit_group)};

/// A file that is cut back, the guardian's end.
constexpr int kCapture[] = {SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64), SCMP_SYS(wait4),
                            SCMP_SYS(waitid)};

/// A file that is replaced, in a directory that is open.  openat is below.
constexpr int kCaptureWithFiles[] = {SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlinkat),
                                     SCMP_SYS(readlinkat), SCMP_SYS(fchmod)};

constexpr int kGuardian[] = {
    // Directories of a BPF file system; openat is below.
    SCMP_SYS(fstatfs), SCMP_SYS(fstatfs64), SCMP_SYS(fchdir), SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(getdents64), SCMP_SYS(flock),
    SCMP_SYS(dup),
    // A filter from the capture; netlink; the capture's end; what waits for programs.
    SCMP_SYS(pread64), SCMP_SYS(recvfrom), SCMP_SYS(bind), SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(pidfd_open), SCMP_SYS(membarrier)};

/// Commands of bpf(2).
constexpr int kReading[] = {BPF_MAP_LOOKUP_ELEM, BPF_MAP_LOOKUP_BATCH, BPF_OBJ_GET_INFO_BY_FD};
constexpr int kChanging[] = {
    BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY, BPF_OBJ_GET, BPF_OBJ_PIN,
    // Another filter; where membarrier(2) cannot wait for programs, a map of maps (xdpcap/kernel/quiesce.cc).
    BPF_PROG_LOAD, BPF_MAP_CREATE, BPF_MAP_FREEZE, BPF_BTF_LOAD,
    // Programs of others in slots.
    BPF_PROG_GET_FD_BY_ID, BPF_PROG_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID, BPF_MAP_GET_NEXT_ID,
    BPF_LINK_GET_FD_BY_ID, BPF_LINK_GET_NEXT_ID};

/// Never called by us; only injected code would.
constexpr int kHostile[] = {SCMP_SYS(execve),
                            SCMP_SYS(execveat),
                            SCMP_SYS(process_vm_readv),
                            SCMP_SYS(process_vm_writev),
                            SCMP_SYS(init_module),
                            SCMP_SYS(finit_module),
                            SCMP_SYS(delete_module),
                            SCMP_SYS(kexec_load),
                            SCMP_SYS(kexec_file_load),
                            SCMP_SYS(mount),
                            SCMP_SYS(umount2),
                            SCMP_SYS(pivot_root),
                            SCMP_SYS(setns),
                            SCMP_SYS(unshare),
                            SCMP_SYS(reboot)};

/// For the runtimes of sanitizers: they read /proc, and at the end look for leaks from a process that
/// traces this one.
constexpr int kSanitizers[] = {
    SCMP_SYS(openat),      SCMP_SYS(open),       SCMP_SYS(newfstatat), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),  SCMP_SYS(getdents64), SCMP_SYS(clone),      SCMP_SYS(ptrace),
    SCMP_SYS(prctl),       SCMP_SYS(pipe),       SCMP_SYS(pipe2),      SCMP_SYS(prlimit64),
    SCMP_SYS(getrlimit),   SCMP_SYS(setrlimit),  SCMP_SYS(tgkill),     SCMP_SYS(kill),
    SCMP_SYS(getppid),     SCMP_SYS(mmap),       SCMP_SYS(mprotect),   SCMP_SYS(sched_setaffinity),
    SCMP_SYS(personality), SCMP_SYS(access),     SCMP_SYS(unlink),     SCMP_SYS(dup2)};

/// Collects rules; the first that is refused ends up in error().
class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), ::seccomp_release) {
    if (context_ == nullptr) {
      error_ = ENOSYS;
      return;
    }
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    set(SCMP_FLTATR_CTL_NNP, 1);
    set(SCMP_FLTATR_CTL_TSYNC, 1);
    constexpr std::uint32_t kBinaryTree = 2;
    set(SCMP_FLTATR_CTL_OPTIMIZE, kBinaryTree);
  }

  void allow(std::span<const int> calls) {
    for (const int call : calls) {
      rule(SCMP_ACT_ALLOW, call, {});
    }
  }
  void allow(int call, std::initializer_list<scmp_arg_cmp> conditions) {
    rule(SCMP_ACT_ALLOW, call, conditions);
  }
  void kill(int call, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    rule(SCMP_ACT_KILL_PROCESS, call, conditions);
  }
  void fail_with(int error, int call) {
    rule(SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)), call, {});
  }

  /// Puts it into force; 0, or the errno of this or of an earlier failure.
  int load() {
    if (error_ == 0) {
      error_ = -::seccomp_load(context_.get());
    }
    return error_;
  }

 private:
  void set(scmp_filter_attr attribute, std::uint32_t value) {
    note(::seccomp_attr_set(context_.get(), attribute, value));
  }
  /// System calls that this architecture does not have are passed over.
  void rule(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> conditions) {
    if (error_ == 0) {
      note(::seccomp_rule_add_array(context_.get(), action, call,
                                    static_cast<unsigned>(conditions.size()), conditions.begin()));
    }
  }
  void note(int result) { error_ = error_ == 0 ? -result : error_; }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int error_ = 0;
};

/// Of argument `number`, which is an int, the bits in `mask` are `bits`.
scmp_arg_cmp has_bits(unsigned number, std::uint32_t mask, std::uint32_t bits) {
  return {.arg = number, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = bits};
}

scmp_arg_cmp is(unsigned number, std::uint64_t value) {
  constexpr std::uint32_t kAll =
      0xffffffff;  // the kernel does not look at the upper half of an int
  return has_bits(number, kAll, static_cast<std::uint32_t>(value));
}

void allow_bpf(Filter& filter, std::span<const int> commands) {
  for (const int command : commands) {
    filter.allow(SCMP_SYS(bpf), {is(0, static_cast<std::uint64_t>(command))});
  }
}

void allow_threads_and_memory(Filter& filter) {
  constexpr std::uint32_t kNewSpaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                       CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
  filter.allow(SCMP_SYS(clone), {has_bits(0, CLONE_THREAD | kNewSpaces, CLONE_THREAD)});
  filter.fail_with(ENOSYS, SCMP_SYS(clone3));
  // No code from anywhere but the files that are mapped already.
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)}) {
    filter.allow(call, {has_bits(2, PROT_EXEC, 0)});
  }
}

/// System calls that are fine with some arguments only, in every profile.
void allow_with_arguments(Filter& filter) {
  for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC}) {
    filter.allow(SCMP_SYS(fcntl), {is(1, static_cast<std::uint64_t>(command))});
  }
  for (const std::uint64_t request :
       {std::uint64_t{TCGETS}, std::uint64_t{TCGETS2}, std::uint64_t{TIOCGWINSZ}}) {
    filter.allow(SCMP_SYS(ioctl), {is(1, request)});
  }
  // abort(), of a thread of this process.
  filter.allow(SCMP_SYS(tgkill), {is(0, static_cast<std::uint64_t>(::getpid()))});
  // To ask for limits, not to set any.
  filter.allow(SCMP_SYS(prlimit64), {{.arg = 2, .op = SCMP_CMP_EQ, .datum_a = 0, .datum_b = 0}});
}

/// Files of directories that are open.  Which ones they are is not seen here: a path may be absolute (landlock.h).
void allow_files(Filter& filter) {
  constexpr std::uint32_t kMode = O_ACCMODE | O_CREAT | O_TRUNC;
  filter.allow(SCMP_SYS(openat), {has_bits(2, kMode, O_RDONLY)});
  filter.allow(SCMP_SYS(openat), {has_bits(2, kMode, O_WRONLY)});
  filter.allow(SCMP_SYS(openat), {has_bits(2, kMode | O_EXCL, O_WRONLY | O_CREAT | O_EXCL)});
}

void allow_for_profile(Filter& filter, SystemCalls profile) {
  switch (profile) {
    case SystemCalls::CaptureWithFiles:
      filter.allow(kCaptureWithFiles);
      allow_files(filter);
      [[fallthrough]];
    case SystemCalls::Capture:
      filter.allow(kCapture);
      allow_bpf(filter, kReading);
      filter.kill(SCMP_SYS(bpf), {is(0, BPF_PROG_LOAD)});
      break;
    case SystemCalls::Guardian:
      filter.allow(kGuardian);
      // Of this thread: to run on every CPU once (xdpcap/kernel/quiesce.cc).
      filter.allow(SCMP_SYS(sched_setaffinity), {is(0, 0)});
      allow_bpf(filter, kReading);
      allow_bpf(filter, kChanging);
      filter.allow(SCMP_SYS(openat), {has_bits(2, O_ACCMODE | O_CREAT | O_TRUNC | O_DIRECTORY,
                                               O_RDONLY | O_DIRECTORY)});
      filter.allow(SCMP_SYS(socket), {is(0, AF_NETLINK)});
      break;
  }
}

}  // namespace

Result<void> restrict_system_calls(SystemCalls profile) {
  Filter filter;
  filter.allow(kCommon);
  allow_threads_and_memory(filter);
  allow_with_arguments(filter);
  allow_for_profile(filter, profile);
  for (const int call : kHostile) {
    filter.kill(call);
  }
  if (kIsSanitized) {
    filter.allow(kSanitizers);
  } else {
    filter.kill(SCMP_SYS(ptrace));
  }
  if (const int error = filter.load(); error != 0) {
    const bool is_unknown = error == ENOSYS || error == EINVAL || error == EDOM;
    return fail(is_unknown ? Errc::Unsupported : Errc::Kernel,
                fmt::format("restrict the system calls of this process: {}{}", errno_text(error),
                            is_unknown ? "; the kernel needs CONFIG_SECCOMP_FILTER, on an "
                                         "architecture that libseccomp knows"
                                       : ""),
                error);
  }
  return {};
}

}  // namespace xdpcap
