// SPDX-License-Identifier: BSD-3-Clause
//
// A child process that gives up what the test program needs, and says how it went.

#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

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

}  // namespace xdpcap::test
