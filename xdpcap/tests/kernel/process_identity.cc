// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: xdpcap/tests/kernel_calls/process_test.cc.

#include "xdpcap/tests/kernel/process_identity.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace xdpcap::test {
namespace {

struct Stat {
  char state = 'X';
  std::uint64_t start_time_ticks = 0;
};

// What can be read: nothing of a process that ends meanwhile.  (An iterator over the file would throw then.)
std::string read_all(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<Stat> read_stat(pid_t pid) {
  const std::string text = read_all(fmt::format("/proc/{}/stat", pid));
  // The second field is the name in parentheses, which may hold anything.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream fields(text.substr(name_end + 1));
  Stat stat;
  fields >> stat.state;
  constexpr int kBetween = 18;  // fields 4 to 21
  std::string skipped;
  for (int i = 0; i < kBetween; ++i) {
    fields >> skipped;
  }
  fields >> stat.start_time_ticks;
  return fields ? std::optional(stat) : std::nullopt;
}

std::uint64_t own_pid_namespace() {
  struct stat status{};
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

}  // namespace

std::optional<ProcessIdentity> identity_of(pid_t pid) {
  const std::optional<Stat> stat = read_stat(pid);
  if (!stat) {
    return std::nullopt;
  }
  return ProcessIdentity{.pid = static_cast<std::uint32_t>(pid),
                         .start_time_ticks = stat->start_time_ticks,
                         .pid_namespace = own_pid_namespace()};
}

ProcessIdentity own_identity() {
  return identity_of(::getpid())
      .value_or(ProcessIdentity{.pid = static_cast<std::uint32_t>(::getpid()),
                                .start_time_ticks = 0,
                                .pid_namespace = 0});
}

std::optional<bool> is_running(const ProcessIdentity& process) {
  if (process.pid_namespace != own_pid_namespace()) {
    return std::nullopt;
  }
  const std::optional<Stat> stat = read_stat(static_cast<pid_t>(process.pid));
  return stat && stat->start_time_ticks == process.start_time_ticks && stat->state != 'Z' &&
         stat->state != 'X';
}

}  // namespace xdpcap::test
