// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/attacks/operator.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

#include "base/testing/die.h"
#include "xdpcap/tests/kernel/end_to_end/nothing_left.h"

namespace xdpcap::test {
namespace {

constexpr std::uint64_t kCapabilities = std::uint64_t{1} << CAP_BPF |
                                        std::uint64_t{1} << CAP_NET_ADMIN |
                                        std::uint64_t{1} << CAP_PERFMON;

void become_operator() {
  ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  if (::setgroups(0, nullptr) != 0 ||
      ::setresgid(Operator::kUser, Operator::kUser, Operator::kUser) != 0 ||
      ::setresuid(Operator::kUser, Operator::kUser, Operator::kUser) != 0) {
    die("change the user");
  }
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (std::size_t word = 0; word < data.size(); ++word) {
    const auto bits = static_cast<std::uint32_t>(kCapabilities >> (32 * word));
    data.at(word) = {.effective = bits, .permitted = bits, .inheritable = 0};
  }
  if (::syscall(SYS_capset, &header, data.data()) != 0) {
    die("capset");
  }
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // its own /proc belongs to it, as after an exec
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
}

[[noreturn]] void run_steps(const std::vector<std::function<void()>>& steps, int socket) {
  constexpr int kSocket = 3;
  ::dup2(socket, kSocket);
  ::syscall(SYS_close_range, kSocket + 1, ~0U, 0);
  become_operator();
  for (const std::function<void()>& step : steps) {
    char order = 0;
    if (::read(kSocket, &order, 1) != 1) {
      break;
    }
    step();
    static_cast<void>(::write(kSocket, &order, 1));
  }
  ::pause();
  ::_exit(0);
}

}  // namespace

Operator::Operator(std::vector<std::function<void()>> steps) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    die("socketpair");
  }
  socket_ = UniqueFd(ends[0]);
  const UniqueFd its(ends[1]);
  pid_ = ::fork();
  if (pid_ == 0) {
    run_steps(steps, its.get());
  }
  go_on();
}

Operator::~Operator() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Operator::go_on() {
  char order = 'x';
  ASSERT_EQ(::write(socket_.get(), &order, 1), 1);
  ASSERT_EQ(::read(socket_.get(), &order, 1), 1) << "the other operator's step failed";
  note_bpf_objects(pid_);
}

void keep(UniqueFd fd) {
  static std::vector<UniqueFd> kept;
  kept.push_back(std::move(fd));
}

}  // namespace xdpcap::test
