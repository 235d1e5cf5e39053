// SPDX-License-Identifier: BSD-3-Clause

#include "kernel/version.h"

#include <sys/utsname.h>

#include <cstdio>
#include <utility>

namespace xdpcap {

bool maps_are_for_everybody() {
  constexpr std::pair kFirst(5, 19);
  utsname machine{};
  std::pair version(0, 0);
  return ::uname(&machine) == 0 &&
         std::sscanf(machine.release, "%d.%d", &version.first, &version.second) == 2 &&
         version >= kFirst;
}

}  // namespace xdpcap
