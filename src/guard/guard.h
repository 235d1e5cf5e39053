// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include "guard/guardian.h"

namespace xdpcap {

/// The life of a guardian, in the process that is to be one.  Its exit code.
/// `capture_fd`: a pidfd of the capture; -1: there is none, then the socket alone says that it has died.
int guard(int socket_fd, int capture_fd, HookCapture& capture, const Post& post);

}  // namespace xdpcap
