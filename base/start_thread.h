// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <cbpfc/result.h>

#include <functional>
#include <string>
#include <thread>

namespace xdpcap {

/// Starts a thread that does `what`, as in "answer signals".
/// Errors: Kernel when the limit of processes is reached, or there is no memory for its stack.
cbpfc::Result<std::thread> start_thread(const std::string& what, std::function<void()> body);

}  // namespace xdpcap
