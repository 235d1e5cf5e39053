// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/placement.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include "xdpcap/kernel/errors.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;

Result<void> set_affinity(const cpu_set_t& cpus, const std::string& attempt) {
  if (::sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
    return cbpfc::fail(Errc::Kernel, attempt + ": " + xdpcap::errno_text(errno), errno);
  }
  return {};
}

}  // namespace

int last_cpu() {
  return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)) - 1;
}

Result<void> stay_on_cpu(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<std::size_t>(cpu), &cpus);
  return set_affinity(cpus, fmt::format("stay on CPU {}", cpu));
}

Result<void> stay_off_cpu(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (int other = 0; other <= last_cpu(); ++other) {
    if (other != cpu || last_cpu() == 0) {
      CPU_SET(static_cast<std::size_t>(other), &cpus);
    }
  }
  return set_affinity(cpus, fmt::format("stay off CPU {}", cpu));
}

Result<void> precede_other_work() {
  if (::setpriority(PRIO_PROCESS, 0, -20) != 0) {
    const Errc code = errno == EACCES || errno == EPERM ? Errc::Permission : Errc::Kernel;
    return cbpfc::fail(
        code,
        "take the highest priority (nice -20): " + xdpcap::errno_text(errno) + "; run as root",
        errno);
  }
  return {};
}

// Where a control group refuses it to root, measurements are noisier and no less true.
Uninterrupted::Uninterrupted() {
  const sched_param least{.sched_priority = 1};
  ::sched_setscheduler(0, SCHED_FIFO, &least);
}

Uninterrupted::~Uninterrupted() {
  const sched_param usual{.sched_priority = 0};
  ::sched_setscheduler(0, SCHED_OTHER, &usual);
}

}  // namespace bench
