// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/netns.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/testing/die.h"

namespace xdpcap::test {
namespace {

UniqueFd open_or_die(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    die("open " + path);
  }
  return fd;
}

std::string unique_name() {
  static int count = 0;
  return fmt::format("xdpcap-test-{}-{}", ::getpid(), ++count);
}

}  // namespace

void run_command(const std::string& command) {
  // The system() function is what a test wants: a shell line, and to wait for it.
  if (const int status = std::system(command.c_str());
      status != 0) {  // NOLINT(concurrency-mt-unsafe)
    std::fprintf(stderr, "command failed (%d): %s\n", status, command.c_str());
    std::exit(1);
  }
}

NetNamespace::Inside::Inside(int namespace_fd)
    : previous_(open_or_die("/proc/thread-self/ns/net")) {
  if (::setns(namespace_fd, CLONE_NEWNET) != 0) {
    die("setns, which needs root");
  }
}

NetNamespace::Inside::~Inside() {
  if (::setns(previous_.get(), CLONE_NEWNET) != 0) {
    die("setns back");
  }
}

NetNamespace::NetNamespace(const NetOptions& options) : name_(unique_name()) {
  run_command("ip netns add " + name_);
  fd_ = open_or_die(path());
  const std::string ip = "ip -n " + name_ + " ";
  const std::string end = fmt::format("mtu {} numtxqueues {} numrxqueues {}", options.mtu,
                                      options.queues, options.queues);
  run_command(fmt::format("{}link add xc0 {} type veth peer name xc1 {}", ip, end, end));
  for (const char* device : {"xc0", "xc1"}) {
    // Without a link-local address the kernel sends nothing on its own.
    run_command(fmt::format("{}link set {} addrgenmode none", ip, device));
    run_command(fmt::format("{}link set {} up", ip, device));
  }
  const Inside inside(fd_.get());
  left_ifindex_ = ::if_nametoindex("xc0");
  right_ifindex_ = ::if_nametoindex("xc1");
}

NetNamespace::~NetNamespace() {
  run_command("ip netns del " + name_);
}

void NetNamespace::run(const std::string& command) const {
  const Inside inside(fd_.get());
  run_command(command);
}

}  // namespace xdpcap::test
