// SPDX-License-Identifier: BSD-3-Clause

#include "base/no_memory.h"

#include <cstdlib>
#include <new>

#include "base/report.h"

namespace xdpcap::cli {

void end_without_memory() {
  std::set_new_handler([] {
    print_to_stderr(
        "xdpcap: there is no memory left: the machine's is used up, or a limit of this process (ulimit -v) or of its "
        "control group\n");
    std::_Exit(kExitFailure);
  });
}

}  // namespace xdpcap::cli
