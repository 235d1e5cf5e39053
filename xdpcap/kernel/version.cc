// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/version.h"

#include <sys/utsname.h>

#include <cstdio>
#include <string_view>
#include <utility>

namespace xdpcap {
namespace {

/// Of a kernel that does not say, the answer is false.
bool is_at_least(const utsname& machine, std::pair<int, int> first) {
  std::pair version(0, 0);
  return std::sscanf(machine.release, "%d.%d", &version.first, &version.second) == 2 &&
         version >= first;
}

}  // namespace

bool maps_are_for_everybody() {
  utsname machine{};
  return ::uname(&machine) == 0 && is_at_least(machine, {5, 19});
}

bool xdp_programs_keep_their_cpu() {
  utsname machine{};
  return ::uname(&machine) == 0 && is_at_least(machine, {6, 11}) &&
         std::string_view(machine.version).find("PREEMPT_RT") == std::string_view::npos;
}

}  // namespace xdpcap
