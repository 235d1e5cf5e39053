// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: xdpcap/tests/kernel/resource_faults/call_errors_test.cc.

#include "base/start_thread.h"

#include <fmt/core.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace xdpcap {

cbpfc::Result<std::thread> start_thread(const std::string& what, std::function<void()> body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    const int error_number = error.code().value();
    return cbpfc::fail(
        cbpfc::Errc::Kernel,
        fmt::format(
            "start the thread that is to {}: {}{}", what, error.code().message(),
            error_number == EAGAIN
                ? "; a limit is reached, of processes (ulimit -u) or of address space (ulimit -v)"
                : ""),
        error_number);
  }
}

}  // namespace xdpcap
