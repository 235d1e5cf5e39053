// SPDX-License-Identifier: BSD-3-Clause
//
// A child process that gives up what the test program needs, tries something, and says how it went.

#pragma once

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

namespace xdpcap::test {

/// What `body()` returns in a child process, or how that died: "killed by Bad system call".
template <typename Body>
std::string in_child(Body body) {
  int ends[2] = {};
  if (::pipe(ends) != 0) {
    return "no pipe";
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string said = body();
    const ssize_t written = ::write(ends[1], said.data(), said.size());
    ::_exit(written == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[512];
  for (ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof(buffer))) > 0;) {
    said.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    return std::string("killed by ") + ::strsignal(WTERMSIG(status));
  }
  return WEXITSTATUS(status) == 0 ? said : "could not say it: " + said;
}

/// "yes", or the name of errno: what a body says.
inline std::string outcome(bool worked) {
  return worked ? "yes" : std::string(::strerrorname_np(errno));
}

/// Whether the kernel takes a program that returns 0.
inline bool load_program() {
  constexpr std::uint64_t kReturnZero[] = {0x00000000000000b7, 0x0000000000000095};
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_XDP;
  attributes.insns = reinterpret_cast<std::uintptr_t>(kReturnZero);
  attributes.insn_cnt = 2;
  attributes.license = reinterpret_cast<std::uintptr_t>("GPL");
  return ::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)) >= 0;
}

}  // namespace xdpcap::test
